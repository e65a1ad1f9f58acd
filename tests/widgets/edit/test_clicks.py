"""Clicks go through the cells under the cursor."""

import pytest
from corrected_cells import correct

from napari_centermask.widgets.edit.clicks import click, depth_text


@pytest.mark.parametrize(
    ("stack", "selected", "text"),
    [([4], (), "Cell 4"), ([4], (4,), "Cell [4]"), ([41, 12], (12, 7), "2 cells here: 41 over [12]")],
)
def test_the_status_line_says_which_cells_lie_there(stack, selected, text):
    assert depth_text(stack, selected) == text


def test_clicks_select_one_cell_after_the_other_and_with_shift_several(bare_viewer):
    edits = correct(bare_viewer)
    seen = []
    for _ in range(4):
        click(edits, (34, 36))  # in three discs of radius 10: 7.2, 7.2 and 8 pixels from their middles
        seen.append(edits.selected)
    assert sorted(seen[:3]) == [(1,), (2,), (3,)]
    assert seen[3] == seen[0]
    click(edits, (70, 100), several=True)
    assert set(edits.selected) == {*seen[0], 4}
    click(edits, (70, 100), several=True)
    assert edits.selected == seen[0]
    click(edits, (90, 5))
    assert edits.selected == ()
