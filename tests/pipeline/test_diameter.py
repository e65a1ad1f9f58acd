import numpy as np
import pytest

from napari_centermask.pipeline import estimate_diameter
from napari_centermask.settings import SegmentSettings

SETTINGS = SegmentSettings(percentiles=(0, 100))


@pytest.mark.parametrize("radius", [8, 20, 60])
def test_estimate_is_the_diameter_of_the_disks(fake, radius):
    shape = (800, 900)
    image = fake.draw(shape, fake.place(shape, 400, radii=(0.95 * radius, 1.05 * radius)))
    assert estimate_diameter(image, fake.engine(), SETTINGS) == pytest.approx(2 * radius, rel=0.1)


def test_images_without_cells_give_the_models_diameter(fake):
    class Blind(fake.engine):
        def features(self, tiles):
            return super().features(np.zeros_like(tiles))

    engine = Blind()
    image = np.random.default_rng(0).random((1, 100, 100))
    assert estimate_diameter(image, engine, SETTINGS) == 40
    assert len(engine.tiles) == 3


def test_constant_images_give_the_models_diameter_without_a_run(fake):
    engine = fake.engine()
    assert estimate_diameter(np.ones((1, 50, 50)), engine, SETTINGS) == 40
    assert not engine.tiles


def test_cells_far_from_the_middle_of_a_large_image_are_found(fake):
    image = fake.draw((3000, 3000), [(y, x, 20) for y in (300, 400) for x in (300, 400)])
    assert estimate_diameter(image, fake.engine(), SETTINGS) == pytest.approx(40, rel=0.1)
