"""What is set aside is visited by no full collection, until it is taken back."""

import gc
import weakref

import pytest

from napari_centermask.widgets.work.collector import Collector


class Loop:
    """An object that only a collection ends."""

    def __init__(self):
        self.own = self


@pytest.fixture(autouse=True)
def _long_lived_set_aside():
    """Nothing is set aside before the test."""
    gc.unfreeze()


@pytest.fixture
def collector(qapp):
    collector = Collector()
    yield collector
    collector.take_back()


def test_only_what_was_made_since_is_collected(collector):
    before = Loop()
    collector.set_aside()
    after = Loop()
    old, new = weakref.ref(before), weakref.ref(after)
    del before, after
    gc.collect()
    assert old() is not None
    assert new() is None
    collector.take_back()
    gc.collect()
    assert old() is None


def test_setting_aside_twice_leaves_what_was_made_in_between(collector):
    collector.set_aside()
    made = Loop()
    collector.set_aside()
    known = weakref.ref(made)
    del made
    gc.collect()
    assert known() is None


def test_what_made_collections_long_is_set_aside_as_well_but_not_too_many_bytes(collector, monkeypatch):
    from napari_centermask.widgets.work import collector as module

    collector.set_aside()
    cells = [Loop() for _ in range(1000)]
    monkeypatch.setattr(module, "_LONG_S", 0.0)
    gc.collect()
    before = gc.get_freeze_count()
    collector.set_aside(n_bytes=module._MOST_BYTES + 1)
    assert gc.get_freeze_count() <= before
    collector.set_aside(n_bytes=module._MOST_BYTES)
    assert gc.get_freeze_count() >= before + len(cells)
    between = gc.get_freeze_count()
    more = [Loop() for _ in range(1000)]
    collector.set_aside(n_bytes=1)  # the bytes count together
    assert gc.get_freeze_count() <= between
    del cells, more


def test_collections_are_as_before_when_all_is_taken_back(collector):
    before = gc.get_threshold()
    collector.set_aside()
    assert gc.get_threshold()[:2] == before[:2]
    assert gc.get_threshold()[2] > 1000 * before[2]
    collector.take_back()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_with_two_viewers_collections_are_as_before_when_both_have_taken_back(collector, qapp):
    before, other = gc.get_threshold(), Collector()
    collector.set_aside()
    other.set_aside()
    collector.take_back()
    assert gc.get_threshold() != before
    other.take_back()
    assert gc.get_threshold() == before
