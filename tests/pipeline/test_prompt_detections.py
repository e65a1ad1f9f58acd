"""Boxes and clicks are answered by the mask head of a CenterMask."""

import numpy as np
import pytest
from asking import OPTIONS, iou, middle
from scipy.ndimage import label

from napari_centermask.core.compose import from_label_image
from napari_centermask.pipeline.prompt import Prompter


@pytest.fixture
def large(fake):
    """A field larger than several tiles, its cells of radius 8 to 200, and a prompter."""
    image = fake.draw(
        (1500, 1600), fake.place((1500, 1600), 300, radii=(8, 30), large=[(700, 500, 200), (90, 1300, 70)])
    )
    return image, list(from_label_image(label(image[0])[0])), Prompter(fake.engine(), image, OPTIONS)


def test_boxes_of_any_size_anywhere_give_the_cell(large):
    _, cells, prompter = large
    for cell in cells:
        if min(cell.mask.shape) >= 8:
            assert iou(cell, prompter.box(*cell.box)) > 0.85, cell.box


def test_clicks_anywhere_give_the_cell_and_none_beside_cells(large):
    image, cells, prompter = large
    for cell in cells:
        if min(cell.mask.shape) >= 8 and max(cell.mask.shape) < 150:
            assert iou(cell, prompter.click(*middle(cell))) > 0.85, cell.box
    for y, x in np.argwhere(image[0] == 0)[::200_003]:
        assert prompter.click(y, x) is None
