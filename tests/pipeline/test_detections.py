"""A CenterMask finds the cells of tiles."""

import numpy as np
from blobs import SHAPE, f1, options, truth_of

from napari_centermask.pipeline import (
    segment,
)


def test_heads_leave_out_boxes_that_are_smaller_than_the_smallest_cell(fake):
    noise = np.random.default_rng(0).random((1, 64, 64)) > 0.9
    engine, every = fake.engine(), fake.engine()
    cells = segment(noise, engine, options(diameter=4))
    segment(noise, every, options(diameter=4, min_area=1))
    assert every.heads > 100
    assert engine.heads < 0.2 * every.heads
    assert all(cell.area >= 8 for cell in cells)


def test_heads_run_about_once_per_cell(fake):
    disks = fake.place(SHAPE, 900, radii=(8, 20))
    engine = fake.engine()
    instances = segment(fake.draw(SHAPE, disks), engine, options(tile=512))
    assert engine.heads < 1.1 * len(instances)


def test_masks_at_the_border_are_cut_by_it(fake):
    image = fake.draw((200, 200), [(3, 3, 25), (197, 100, 25), (100, 199, 20)])
    instances = segment(image, fake.engine(), options())
    assert f1(truth_of(image), instances, iou=0.85) == 1


def test_filtering_a_low_threshold_run_equals_a_run_at_the_threshold(fake):
    image = fake.draw((400, 400), fake.place((400, 400), 90))
    everything = segment(image, fake.engine(), options(score=0.96), min_score=0.1)
    high = segment(image, fake.engine(), options(score=0.96))
    few = everything.filter(min_score=0.96)
    assert 0 < len(few) < len(everything)
    assert [(c.box, c.score) for c in few] == [(c.box, c.score) for c in high]
