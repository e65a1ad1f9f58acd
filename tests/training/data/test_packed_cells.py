"""Cells beyond the limit of memory lie packed in files, and are the same."""

import gc
import pickle

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.io.coco import parted
from napari_centermask.training.data.image_store import ImageStore
from napari_centermask.training.data.loader import load_split, tiles_of
from napari_centermask.training.data.packed_cells import PackedCells, boxes_of, packed


@pytest.mark.parametrize("mb", [0, 1])
def test_packed_cells_are_those_that_were_packed(tmp_path, cells, mb):
    known = list(cells(n=9, overlap=0.3))
    again = packed(known, ImageStore(tmp_path, mb))
    assert len(again) == 9
    np.testing.assert_array_equal(again.boxes, boxes_of(known))
    np.testing.assert_array_equal(again.areas, [c.area for c in known])
    for a, b in zip(pickle.loads(pickle.dumps(again)), known, strict=True):
        assert (a.box, a.category) == (b.box, b.category)
        np.testing.assert_array_equal(a.mask, b.mask)
    assert [c.box for c in again[2:5]] == [c.box for c in known[2:5]]
    with pytest.raises(IndexError):
        again[9]
    assert not len(packed([], ImageStore(tmp_path, mb)))


def test_cells_of_the_same_image_and_number_lie_in_files_of_their_own(tmp_path, cells):
    store = ImageStore(tmp_path, 0)
    one, two = ([Instance(1, y, 2, np.ones((4, 4), bool))] for y in (1, 9))
    assert [packed(some, store)[0].box for some in (one, two)] == [(1, 2, 5, 6), (9, 2, 13, 6)]


def test_tiles_of_a_partly_reviewed_image_are_the_same_from_files(half, settings):
    from_files = settings.model_copy(update={"images_in_memory_mb": 0})
    expected, actual = tiles_of(settings), tiles_of(from_files)
    (sample,) = actual.folders[0]
    assert isinstance(sample.doubtful, PackedCells)
    assert len(sample.doubtful)
    unknown = 0
    for number in range(12):
        for part in ("image", "boxes", "classes", "masks", "ignore", "unreviewed"):
            np.testing.assert_array_equal(getattr(actual[number], part), getattr(expected[number], part))
        unknown += int(actual[number].unreviewed.sum())
    assert unknown


def test_a_sample_says_the_same_of_its_cells_from_files(folder, settings, tmp_path):
    for kept, stored in zip(
        load_split(folder, "train"), load_split(folder, "train", ImageStore(tmp_path / "store", 0)), strict=True
    ):
        assert stored.diameter == kept.diameter
        assert [c.box for c in stored.instances] == [c.box for c in kept.instances]
        assert stored.instances.categories == kept.instances.categories
        np.testing.assert_array_equal(stored.boxes, kept.boxes)


def test_a_data_set_larger_than_memory_leaves_no_cells_in_it(settings, monkeypatch):
    monkeypatch.setattr(parted, "LARGEST_WHOLE", 0)
    parted._indexed.cache_clear()

    def alive():
        gc.collect()
        return sum(type(o) is Instance for o in gc.get_objects())

    before = alive()
    tiles = tiles_of(settings.model_copy(update={"images_in_memory_mb": 0}))
    n_cells = [len(sample.cells) for folder in tiles.folders for sample in folder]
    assert alive() - before <= max(n_cells) < sum(n_cells)
    assert len(tiles[0].boxes) or len(tiles[1].boxes) or len(tiles[2].boxes)
