import numpy as np
import pytest

from napari_centermask.pipeline import estimate_diameter, segment
from napari_centermask.pipeline.diameter import _typical
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
    assert len(engine.tiles) == 4


def test_constant_images_give_the_models_diameter_without_a_run(fake):
    engine = fake.engine()
    assert estimate_diameter(np.ones((1, 50, 50)), engine, SETTINGS) == 40
    assert not engine.tiles


def test_cells_far_from_the_middle_of_a_large_image_are_found(fake):
    image = fake.draw((3000, 3000), [(y, x, 20) for y in (300, 400) for x in (300, 400)])
    assert estimate_diameter(image, fake.engine(), SETTINGS) == pytest.approx(40, rel=0.1)


def test_fewer_than_three_cells_say_nothing_and_what_the_model_was_trained_on_counts(fake):
    image = fake.draw((300, 300), [(90, 90, 30), (200, 210, 30)])
    assert estimate_diameter(image, fake.engine(), SETTINGS) == 40
    sizes = {"nucleus": (15.0, 22.0, 30.0), "cell": (60.0, 90.0, 120.0)}
    assert estimate_diameter(image, fake.engine(fake.card(diameters=sizes)), SETTINGS) == 56
    third = fake.draw((300, 300), [(90, 90, 30), (200, 210, 30), (220, 60, 30)])
    assert estimate_diameter(third, fake.engine(), SETTINGS) == pytest.approx(60, rel=0.1)


def test_specks_of_a_few_pixels_are_not_cells(fake):
    image = fake.draw((400, 400), fake.place((400, 400), 900, radii=(1.5, 2)))
    assert estimate_diameter(image, fake.engine(), SETTINGS) == 40


def test_a_last_measurement_of_noise_is_not_believed(fake, monkeypatch):
    image = fake.draw((520, 520), [(y, x, 20) for y in range(60, 500, 80) for x in range(60, 500, 80)])
    sizes = []

    def typical(diameters, window):
        sizes.append(_typical(diameters, window))
        return 0.1 if len(sizes) == n else sizes[-1]

    monkeypatch.setattr("napari_centermask.pipeline.diameter._typical", typical)
    n = 0
    assert estimate_diameter(image, fake.engine(), SETTINGS) == pytest.approx(40, rel=0.1)
    n, sizes = len(sizes), []
    assert estimate_diameter(image, fake.engine(), SETTINGS) == pytest.approx(40, rel=0.25)  # as at the best look


def test_parts_of_cells_do_not_mislead_it_if_the_cells_are_found_at_their_size(fake):
    class Network(fake.engine):
        """Its boxes reach 30 pixels at most, and it is most certain of those that cut a cell."""

        def features(self, tiles):
            seen = super().features(tiles)
            sides = seen.ltrb[0].sum(axis=1) / 2
            seen.logits[0, (sides > 60) & (sides < 120)] += 0.5
            np.minimum(seen.ltrb, 30, out=seen.ltrb)
            return seen

    image = fake.draw((900, 900), [(y, x, 55) for y in range(70, 850, 125) for x in range(70, 850, 125)])
    assert estimate_diameter(image, Network(), SETTINGS) == pytest.approx(110, rel=0.05)


def learning(engine):
    """The class of an engine that is certain of specks, less of the cells that it was trained on last."""

    class Network(engine):
        def features(self, tiles):
            seen = super().features(tiles)
            found = seen.logits[0, :, 0] > 0
            sides = seen.ltrb[0].sum(axis=1) / 2
            seen.logits[0, :, 0] = np.where(found, np.where(sides < 20, 0.9, -0.4), seen.logits[0, :, 0])
            return seen

    return Network


SPECKS = [(y, x, 4) for y in (40, 250, 460) for x in (40, 250, 460)]
CELLS = [(y, x, 30) for y in (145, 355) for x in (145, 355)]


def test_a_model_that_is_learning_its_cells_is_not_misled_by_specks_that_it_is_more_certain_of(fake):
    image = fake.draw((512, 512), SPECKS + CELLS)
    network = learning(fake.engine)
    learned = fake.card(diameters={"cell": (40.0, 60.0, 80.0)}, defaults={"score": 0.6})
    assert estimate_diameter(image, network(learned), SETTINGS) == pytest.approx(60, rel=0.1)
    others = fake.card(diameters={"cell": (6.0, 8.0, 12.0)}, defaults={"score": 0.6})
    assert estimate_diameter(image, network(others), SETTINGS) == pytest.approx(8, rel=0.2)


def test_of_cells_in_cells_those_count_that_the_model_was_trained_on(fake):
    class Network(fake.engine):
        """Sees what has about its own size only."""

        def features(self, tiles):
            maps = super().features(tiles)
            side = np.sqrt((maps.ltrb[0, :, 0] + maps.ltrb[0, :, 2]) * (maps.ltrb[0, :, 1] + maps.ltrb[0, :, 3]))
            maps.logits[0, (side < 16) | (side > 70)] = -20
            return maps

    large = [(y, x, 60) for y in range(100, 900, 160) for x in range(100, 900, 160)]
    image = fake.draw((960, 960), fake.place((960, 960), 300, radii=(9, 11), large=large))
    small = fake.card(diameters={"nucleus": (15.0, 20.0, 30.0)})
    assert estimate_diameter(image, Network(), SETTINGS) == pytest.approx(20, rel=0.15)
    assert estimate_diameter(image, Network(small), SETTINGS) == pytest.approx(20, rel=0.15)
    whole = fake.card(diameters={"cell": (100.0, 130.0, 160.0)})
    assert estimate_diameter(image, Network(whole), SETTINGS) == pytest.approx(120, rel=0.15)


def test_an_estimate_costs_at_most_a_tenth_of_the_run(fake):
    image = fake.draw((1024, 1024), fake.place((1024, 1024), 900, radii=(10, 12)))
    alone, given = fake.engine(), fake.engine()
    diameter = estimate_diameter(image, alone, SETTINGS)
    segment(image, given, SETTINGS.model_copy(update={"diameter": diameter}))
    assert sum(h * w for h, w in alone.tiles) < 0.1 * sum(h * w for h, w in given.tiles)
    assert alone.heads < 0.1 * given.heads


def test_large_cells_count_as_often_as_small_ones_though_windows_cut_them_more_often():
    rng = np.random.default_rng(0)
    side = 300.0
    sizes = np.where(rng.random(40_000) < 0.45, 20.0, 100.0) * rng.uniform(0.95, 1.05, 40_000)
    places = rng.uniform(0, side, (40_000, 2))  # middles in the window; whole where no edge cuts
    whole = (np.minimum(places, side - places) > sizes[:, None] / 2).all(axis=1)
    assert np.median(sizes[whole]) < 30
    assert _typical(sizes[whole], (0, 0, 300, 300)) == pytest.approx(np.median(sizes), rel=0.1)
