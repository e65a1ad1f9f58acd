"""Categories of very different sizes in one image, by a network that sees no cell far from its own size."""

import numpy as np
import pytest

from napari_centermask.core.size_levels import SizeLevel
from napari_centermask.pipeline import Plane, diameter_steps, segment, segment_plane
from napari_centermask.pipeline.progress import run_through
from napari_centermask.pipeline.prompt import Prompter
from napari_centermask.settings import SegmentSettings

SETTINGS = SegmentSettings(percentiles=(0, 100))
SIZES = {"nucleus": (16.0, 19.0, 22.0), "cell": (120.0, 133.0, 146.0)}
LEVELS = (SizeLevel(("nucleus",), 19.0), SizeLevel(("cell",), 133.0))
LARGE = [(y, x, 66) for y in (80, 240, 400) for x in (80, 240, 400)]
SHAPE = (480, 900)
CELLS = [(y, x, 9.5) for y in range(40, 460, 40) for x in range(540, 880, 40)]


class TwoSizes:
    """Mixed into the engine: blobs from half to twice the model's size are seen, round ones as nuclei, others as cells."""

    def features(self, tiles):
        from dataclasses import replace

        seen = super().features(tiles)
        (x0, y0, x1, y1) = (seen.ltrb[0, :, k] for k in range(4))
        side = np.sqrt((x0 + x1) * (y0 + y1))
        # The image draws cells at 150 of 200, nuclei at 200.
        logits = np.full((1, len(side), 2), -20, np.float32)
        shown = (seen.logits[0, :, 0] > 0) & (side > 20) & (side < 80)
        for k in np.flatnonzero(shown):
            blob = np.abs(seen.pyramid[1] - self._box(k, tiles, x0, y0, x1, y1)).sum(axis=1).argmin()
            top, left, bottom, right = seen.pyramid[1][blob]
            level = np.median(tiles[0, 0, top:bottom, left:right][seen.pyramid[0][top:bottom, left:right] == blob + 1])
            logits[0, k, 0 if level > 0.85 else 1] = 4
        return replace(seen, logits=logits)

    def _box(self, k, tiles, x0, y0, x1, y1):
        from napari_centermask.engines.decode import locations

        x, y = locations(tiles.shape[2:], self.card.strides)[0][k]
        return [y - y0[k], x - x0[k], y + y1[k], x + x1[k]]


@pytest.fixture
def engine(fake):
    def made(*, levels=LEVELS, **fields):
        card = fake.card(diameters=SIZES, levels=levels, **fields)
        card.model.categories = ["nucleus", "cell"]
        return type("Engine", (TwoSizes, fake.engine), {})(card)

    return made


@pytest.fixture
def image(fake):
    picture = fake.draw(SHAPE, CELLS)
    return np.maximum(picture, fake.draw(SHAPE, LARGE) // 4 * 3)


def _count(cells):
    return [sum(c.category == k for c in cells) for k in (1, 2)]


def test_both_sizes_are_found_and_each_cell_once(engine, image):
    cells = segment(image, engine(), SETTINGS)
    assert _count(cells) == [len(CELLS), len(LARGE)]
    assert [c.id for c in cells] == list(range(1, len(CELLS) + len(LARGE) + 1))


def test_one_diameter_finds_one_size(engine, image):
    assert 0 in _count(segment(image, engine(levels=()), SETTINGS))


def test_each_size_is_estimated(engine, image):
    seen = segment(image, engine(), SETTINGS)
    assert np.median([c.diameter for c in seen if c.category == 1]) == pytest.approx(19, rel=0.1)
    assert run_through(diameter_steps([Plane((), image)], engine(), SETTINGS)) == pytest.approx(132, rel=0.1)


def test_a_size_that_the_image_hardly_shows_follows_from_the_other(engine, fake):
    smaller = [(0.7 * y, 0.7 * x, 0.7 * r) for y, x, r in CELLS]  # taken at another magnification, with one large cell
    image = np.maximum(fake.draw((336, 640), smaller), fake.draw((336, 640), [(100, 100, 46)]) // 4 * 3)
    done = run_through(segment_plane(image, engine(), SETTINGS))
    assert _count(done.cells) == [len(CELLS), 1]
    assert done.diameter == pytest.approx(93, rel=0.1)


def test_a_given_diameter_is_that_of_the_largest_and_the_others_follow(engine, image):
    assert _count(segment(image, engine(), SETTINGS.model_copy(update={"diameter": 133.0}))) == [
        len(CELLS),
        len(LARGE),
    ]


def test_a_second_pass_is_cheap_and_there_is_none_for_one_level(engine, image):
    def pixels(levels, diameter):
        own = engine(levels=levels)
        segment(image, own, SETTINGS.model_copy(update={"diameter": diameter}))
        return sum(h * w for h, w in own.tiles)

    both, small = pixels(LEVELS, 133.0), pixels((), 19.0)
    assert small < both < 1.1 * small


def test_boxes_and_clicks_find_cells_of_both_sizes(engine, image):
    prompts = Prompter(engine(), image, SETTINGS)
    assert prompts.click(80, 80).diameter == pytest.approx(132, rel=0.1)
    assert prompts.click(40, 540).diameter == pytest.approx(19, rel=0.1)
    assert prompts.box(14, 14, 146, 146).diameter == pytest.approx(132, rel=0.1)
    assert prompts.box(30, 530, 50, 550).diameter == pytest.approx(19, rel=0.1)
