"""An image on which a model contradicts its own answer for the mirror image is ranked first."""

import numpy as np

from napari_centermask.pipeline.ranking import ranking_steps, signs_steps
from napari_centermask.pipeline.steps import run_through
from napari_centermask.settings import SegmentSettings

SETTINGS = SegmentSettings(diameter=40.0)


def test_mirrored_cells_come_back_to_their_places(fake):
    image = fake.draw((256, 256), fake.place((256, 256), 8, radii=(14, 20)))
    found, cells = run_through(signs_steps(image, fake.engine(), SETTINGS))
    assert len(cells) >= 4
    assert found.disagreement < 0.05
    assert found.poor_masks < 1e-6


class Moody:
    """An engine that overlooks what lies in the upper half."""

    def __init__(self, engine):
        self._engine = engine
        self.card, self.name, self.device = engine.card, engine.name, engine.device
        self.masks = engine.masks

    def features(self, tiles):
        tiles = tiles.copy()
        tiles[:, :, : tiles.shape[2] // 2] = 0
        return self._engine.features(tiles)


def test_an_image_on_which_the_model_contradicts_itself_comes_first(fake):
    steady = fake.draw((256, 256), [(60, 60, 18), (196, 60, 18), (60, 196, 18), (196, 196, 18)])
    lopsided = fake.draw((256, 256), [(60, 60, 18), (60, 128, 18), (60, 196, 18), (196, 196, 18)])
    empty = np.zeros_like(steady)
    ranking = run_through(ranking_steps([steady, lopsided, empty], Moody(fake.engine()), SETTINGS))
    assert ranking.signs[1].disagreement > 0.3
    assert ranking.signs[2].disagreement == 0
    assert ranking.order[-1] == 2
    assert min(ranking.values) == ranking.values[2]


def test_the_work_can_be_stopped_between_tiles(fake):
    image = fake.draw((256, 256), [(60, 60, 18)])
    steps = ranking_steps([image, image], fake.engine(), SETTINGS)
    assert next(steps).message == "Image 1 of 2"
    steps.close()
