"""Segmentations that bend the rules become masks where they can be meant in one way only."""

import numpy as np
import pytest

from napari_centermask.io.coco.repair import repair_mask

SHAPE = (8, 10)
POLYGON = [2, 1, 6, 1, 6, 4, 2, 4]


def full(repaired):
    mask = np.zeros(SHAPE, bool)
    y0, x0, crop = repaired.crop
    mask[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]] = crop
    return mask


@pytest.mark.parametrize(
    ("segmentation", "note"),
    [
        ([POLYGON], None),
        (POLYGON, "was not in a list"),
        ([[[2, 1], [6, 1], [6, 4], [2, 4]]], "were pairs"),
        ([[*POLYGON, 3]], "in the middle of a point"),
        ([POLYGON, [1, 1, 2, 2]], "fewer than three points"),
        ({"counts": [17, 3, 5, 3, 5, 3, 5, 3, 36]}, "the size of an RLE was missing"),
        ({"counts": [17, 3, 5, 3, 5, 3, 5, 3, 36], "size": ["8", "10"]}, "size of an RLE was text"),
    ],
)
def test_one_rectangle_drawn_in_many_ways_is_one_mask(segmentation, note):
    repaired = repair_mask({"segmentation": segmentation}, SHAPE)
    wanted = np.zeros(SHAPE, bool)
    wanted[1:4, 2:6] = True
    assert repaired.refusal == ""
    np.testing.assert_array_equal(full(repaired), wanted)
    assert len(repaired.notes) == (note is not None)
    assert note is None or note in repaired.notes[0]


def test_a_box_is_a_cell_only_on_request():
    item = {"bbox": [2, 1, 4, 3]}
    assert repair_mask(item, SHAPE).refusal == "it has only a box, no outline"
    assert full(repair_mask(item, SHAPE, boxes=True)).sum() == 12
    assert repair_mask({"segmentation": [[20, 20, 25, 20, 25, 25]]}, SHAPE).refusal == "it covers no pixel of the image"
