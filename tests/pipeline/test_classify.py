import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.pipeline.classify import cell_crops


def square(y, x, side):
    return Instance(1, y, x, np.ones((side, side), bool))


def test_a_square_of_the_crop_size_is_the_image_itself():
    image = np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)
    (crop,) = cell_crops(image, [square(10, 20, 8)], side=8, context=1.0)
    np.testing.assert_allclose(crop[:2], image[:, 10:18, 20:28], atol=1e-6)
    np.testing.assert_array_equal(crop[2], 1)


def test_the_context_around_the_cell_is_seen_and_not_in_its_mask():
    (crop,) = cell_crops(np.zeros((1, 64, 64), np.float32), [square(24, 24, 16)], side=32, context=2.0)
    expected = np.zeros((32, 32))
    expected[8:24, 8:24] = 1
    np.testing.assert_array_equal(crop[1], expected)


@pytest.mark.parametrize("factor", [1, 3])
def test_cells_of_any_size_fill_the_same_part(factor):
    (crop,) = cell_crops(np.zeros((1, 90, 90), np.float32), [square(30, 30, 8 * factor)], side=24, context=1.5)
    assert crop[1].sum() == pytest.approx(16 * 16, rel=0.02)


def test_beyond_the_image_its_edge_continues():
    image = np.tile(np.arange(20, dtype=np.float32), (20, 1))[None]
    (crop,) = cell_crops(image, [square(0, 0, 6)], side=12, context=2.0)
    assert (crop[0, :, :3] == 0).all()
    assert np.isfinite(crop).all()


def test_no_cells_give_no_crops():
    assert cell_crops(np.zeros((3, 9, 9), np.float32), [], side=16, context=1.5).shape == (0, 4, 16, 16)


def test_a_blank_plane_without_cells_needs_no_image():
    from types import SimpleNamespace

    from napari_centermask.core.instances import Instances
    from napari_centermask.pipeline.classify import classify

    engine = SimpleNamespace(card=SimpleNamespace(model=SimpleNamespace(categories=["living", "dead"])))
    classified = classify(np.full((1, 9, 9), np.nan, np.float32), Instances((9, 9)), engine)
    assert (len(classified), classified.categories) == (0, {1: "living", 2: "dead"})
