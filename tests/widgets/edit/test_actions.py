"""Actions that are more than one tool."""

import pytest
from corrected_cells import correct

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.edit.actions import copy_next, next_category, next_mode, set_category


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
