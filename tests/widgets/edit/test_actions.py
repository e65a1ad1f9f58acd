"""Actions that are more than one tool."""

import pytest
from corrected_cells import correct

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.edit.actions import accept, begin_new, copy_next, next_category, next_mode, set_category
from napari_centermask.widgets.edit.review import select_next


def test_categories_and_modes_go_round_and_what_is_not_there_is_refused(bare_viewer):
    edits = correct(bare_viewer)
    edits.result.categories = {1: "round", 3: "long"}
    edits.select((1,))
    seen = []
    for _ in range(3):
        next_category(edits)
        seen.append(edits.cell.category)
    assert seen == [3, 1, 3]
    with pytest.raises(UserError, match=r"no category 2\. The categories are 1 round, 3 long\."):
        set_category(edits, 2)
    modes = []
    for _ in range(4):
        modes.append(edits.mode)
        next_mode(edits)
    assert modes[0] == modes[3]
    assert len(set(modes)) == 3
    with pytest.raises(UserError, match="single plane"):
        copy_next(edits)


@pytest.mark.parametrize("go", [accept, select_next])
def test_going_to_the_next_cell_says_that_there_is_none(begin, notices, go):
    edits = begin()
    before = len(notices())
    go(edits)
    assert notices()[before:] == ["There is no cell to go to: none is shown in this plane."]
    assert edits.selected == ()


def test_the_polygon_stays_in_hand_for_one_new_cell_after_another(begin):
    edits = begin()
    begin_new(edits, mode="polygon")

    def outline(y, x):
        polygon = edits.active.layer._overlays["polygon"]
        for corner in ((y, x), (y, x + 10), (y + 10, x + 10), (y, x)):
            polygon.points = [*polygon.points[:-1], list(corner), list(corner)]
        edits.finish()
        return edits.cell

    first, second = outline(10, 10), outline(60, 60)
    assert first.id != second.id
    assert len(edits.result) == 2
    assert edits.active.layer.mode == "polygon"
    edits.undo()
    assert [cell.id for cell in edits.result] == [first.id]
    edits.select((first.id,), keep_tool=True)
    assert outline(15, 15).id == first.id  # a selected cell is added to
