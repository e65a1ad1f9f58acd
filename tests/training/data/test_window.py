"""Windows of an image mark what was not reviewed."""

import numpy as np

from napari_centermask.training.data.loader import load_split
from napari_centermask.training.data.window import Window, cut_unreviewed


def test_unreviewed_pixels_are_marked_in_the_tile(folder, half):
    (sample,) = load_split(folder, "train")
    unknown = cut_unreviewed(sample, Window(-16.0, -16.0, 1.0, 224))
    assert not unknown[:16].any()  # beside the image
    assert not unknown[:, :16].any()
    expected = np.zeros((160, 200), bool)
    expected[:, 100:] = True
    for cell in sample.doubtful:
        y0, x0, y1, x1 = cell.box
        expected[y0:y1, x0:x1] |= cell.mask
    assert np.array_equal(unknown[16:176, 16:216], expected)
