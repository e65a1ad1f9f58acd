"""Maps of the classes have no seams and name the category of each pixel."""

import numpy as np
import pytest
from map_engine import MapEngine, draw, options
from scipy import ndimage

from napari_centermask.core.errors import BadSettings
from napari_centermask.pipeline import Plane, map_classes
from napari_centermask.pipeline.class_maps import class_image
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import SegmentSettings


class EdgeEngine(MapEngine):
    """Sees less towards the edge of a tile, as networks do."""

    def maps(self, tiles):
        maps = super().maps(tiles)
        rim = np.ones(maps.shape[2:], bool)
        rim[1:-1, 1:-1] = False
        sure = 1 - 0.5 * np.exp(-ndimage.distance_transform_edt(~rim) / 8).astype(np.float32)
        maps[:, 1:-2] *= sure
        maps[:, 0] = 1 - maps[:, 1:-2].sum(axis=1)
        return maps


def class_maps(image, engine, settings=None):
    return run_through(map_classes(Plane((), image), engine, settings or SegmentSettings(), check=False))


def test_blended_tiles_leave_no_seam():
    image = np.zeros((3, 500, 620), np.float32)
    image[0] = ndimage.gaussian_filter(np.random.default_rng(0).normal(0.5, 4, image.shape[1:]), 8).clip(0, 1)
    whole, tiled = (class_maps(image, EdgeEngine(), options(tile=tile, overlap=64)) for tile in (1024, 192))
    plain = class_maps(image, MapEngine(), options(tile=192, overlap=64))
    inside = np.s_[:, 40:-40, 40:-40]
    np.testing.assert_allclose(plain, class_maps(image, MapEngine(), options(tile=1024)), atol=1e-5)
    assert np.abs(tiled - whole)[inside].max() < 0.05  # a tile alone is wrong by 0.5 at its edge
    steps = [np.abs(np.diff(maps[1], axis=0))[40:-40].max() for maps in (whole, tiled)]
    assert steps[1] < 1.2 * steps[0]
    np.testing.assert_allclose(tiled.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_class_images_name_the_category_of_each_pixel(factor):
    image, labels, kinds = draw((300, 260), radius=round(14 * factor), categories=2)
    maps = class_maps(image, MapEngine(categories=("a", "b")), options(diameter=30 * factor, tile=128))
    assert maps.shape == (3, 300, 260)
    assert maps.dtype == np.float32
    right = class_image(maps) == kinds[labels] + 1
    assert right.mean() > 0.97
    assert class_image(maps).dtype == np.uint8


def test_a_model_that_finds_cells_one_by_one_has_no_class_maps(fake):
    with pytest.raises(BadSettings, match="U-Net"):
        class_maps(np.zeros((1, 64, 64)), fake.engine())
