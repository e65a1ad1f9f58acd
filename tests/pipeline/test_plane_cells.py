"""The cells of a plane do not depend on its tiles."""

import numpy as np
import pytest
from blobs import APART, LARGE, SHAPE, f1, options, truth_of

from napari_centermask.core.instances import intersection
from napari_centermask.core.regions import rectangles
from napari_centermask.core.tiles import plan
from napari_centermask.pipeline import (
    segment,
    segment_plane,
)
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import SegmentSettings


@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_tile_size_does_not_change_the_cells(fake, jitter):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900, large=LARGE))
    truth = truth_of(image)
    small = segment(image, fake.engine(jitter=jitter), options(tile=512))
    whole = segment(image, fake.engine(jitter=jitter), options(tile=2048))
    assert f1(small, whole) >= 0.99
    assert f1(truth, small) >= 0.99
    assert f1(truth, whole) >= 0.99
    assert abs(len(small) - len(truth)) <= 0.01 * len(truth)


def test_cells_on_seams_appear_once(fake):
    seams = [(y, x, 15) for y in range(30, 1480, 34) for x in range(30, 1580, 37)]
    image = fake.draw(SHAPE, seams)
    instances = segment(image, fake.engine(), options(tile=512))
    assert len(instances) == len(seams)


@pytest.mark.parametrize(("y", "x", "r"), LARGE)
def test_a_cell_larger_than_the_overlap_is_whole(fake, y, x, r):
    image = fake.draw(SHAPE, [(y, x, r)])
    (instances,) = segment(image, fake.engine(), options(tile=512))
    (truth,) = truth_of(image)
    assert intersection(truth, instances) / (truth.area + instances.area - intersection(truth, instances)) > 0.9


def test_tile_overlap_costs_less_than_a_quarter(fake):
    engine = fake.engine()
    segment(fake.draw((2048, 2048), [(500, 500, 20)]), engine, options())
    assert sum(h * w for h, w in engine.tiles) < 1.25 * 2048**2


def test_large_images_are_read_tile_by_tile(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 200))
    largest = []

    class Lazy:
        shape, dtype = image.shape, image.dtype

        def __getitem__(self, index):
            part = image[index]
            largest.append(part.size)
            return part

    instances = segment(Lazy(), fake.engine(), options(tile=256))
    assert instances.equals(segment(image, fake.engine(), options(tile=256)))
    assert max(largest) <= 512**2


def test_ids_run_from_top_to_bottom_and_fields_are_set(fake):
    image = fake.draw((300, 300), fake.place((300, 300), 60))
    instances = segment(image, fake.engine(), options())
    assert instances.ids == list(range(1, len(instances) + 1))
    assert [c.y0 for c in instances] == sorted(c.y0 for c in instances)
    assert instances.categories == {1: "cell"}
    for cell in instances:
        assert (cell.source, cell.status, cell.category, cell.mask_quality) == ("fake", "predicted", 1, 1.0)
        assert 0.8 < cell.score < 1


def test_seams_are_in_image_pixels(fake):
    image = fake.draw((1500, 700), [(500, 500, 20)])
    half = run_through(segment_plane(image, fake.engine(), options(tile=512, diameter=80)))
    same = run_through(segment_plane(image, fake.engine(), options(tile=512)))
    tiles = plan((1500, 700), tile=512, overlap=SegmentSettings().overlap)
    assert same.seams == tuple(tuple(sorted({float(t.core[a]) for t in tiles} - {0})) for a in (0, 1))
    assert len(half.seams[0]) == 1
    assert half.seams[0][0] == pytest.approx(750, abs=40)
    assert half.seams[1] == ()


def test_tiny_cells_are_left_out(fake):
    image = fake.draw((100, 100), [(50, 50, 15), (20, 20, 4)])
    assert len(segment(image, fake.engine(), options(min_area=100))) == 1


def test_the_rest_of_the_image_is_not_examined(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900))
    seen = fake.engine()
    segment(image, seen, options(), region=rectangles(APART))
    area = (300 + 240) * (400 + 220) + (300 + 220) * (600 + 120)
    assert sum(int(np.prod(t)) for t in seen.tiles) < 1.35 * area  # tiles overlap
