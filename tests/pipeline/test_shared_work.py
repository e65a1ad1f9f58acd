"""Work is shared among workers, and each works on one thing at a time."""

import threading

import numpy as np
import pytest

from napari_centermask.engines.several import Several
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.shared_work import shared
from napari_centermask.settings import SegmentSettings


def test_every_item_is_done_once_and_no_worker_does_two_at_a_time():
    busy, lock, clash = set(), threading.Lock(), []
    barrier = threading.Barrier(2, timeout=30)

    def work(worker, item):
        with lock:
            clash.append(worker in busy)
            busy.add(worker)
        if item < 2:
            barrier.wait()  # passes only if both work at the same time
        with lock:
            busy.discard(worker)
        return item * item

    done = {n: future.result() for n, future in shared(range(7), ["a", "b"], work)}
    assert done == {n: n * n for n in range(7)}
    assert not any(clash)


def test_closing_it_drops_what_has_not_begun():
    begun, go = [], threading.Event()

    def work(worker, item):
        begun.append(item)
        if item:
            go.wait(30)

    steps = shared(range(20), ["a"], work)
    next(steps)
    go.set()
    steps.close()
    assert len(begun) < 20


def test_an_error_is_that_of_its_item():
    def work(worker, item):
        raise ValueError(item)

    (_, future), *_ = shared([3], ["a"], work)
    with pytest.raises(ValueError, match="3"):
        future.result()


def test_two_devices_find_the_cells_of_one(fake):
    image = fake.draw((420, 520), fake.place((420, 520), 40))
    settings = SegmentSettings(diameter=30, tile=160)
    one, pair = fake.engine(), (fake.engine(), fake.engine())
    expected, found = segment(image, one, settings), segment(image, Several(pair), settings)
    assert [c.box for c in found] == [c.box for c in expected]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(found, expected, strict=True))
    assert sorted(len(e.tiles) for e in pair)[1] < len(one.tiles)
