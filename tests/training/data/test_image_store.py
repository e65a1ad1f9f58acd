"""Images beyond the limit of memory are read from files, and give the same tiles."""

import numpy as np
import pytest

from napari_centermask.core.errors import UserError
from napari_centermask.settings import PreprocessSettings
from napari_centermask.training.data.image_store import DECODED, ImageStore, StoredImage, remove_decoded
from napari_centermask.training.data.loader import tiles_of
from napari_centermask.training.data.packed_cells import size_of

IMAGE = np.random.default_rng(0).integers(0, 4000, (2, 30, 40), dtype=np.uint16)


@pytest.mark.parametrize("background", ["none", "gaussian"])
def test_tiles_from_files_are_those_from_memory(settings, background):
    correct = PreprocessSettings(background=background, background_size=30)
    in_memory = settings.model_copy(update={"preprocess": correct})
    from_files = in_memory.model_copy(update={"images_in_memory_mb": 0})
    expected, actual = tiles_of(in_memory), tiles_of(from_files)
    assert all(isinstance(s.image, StoredImage) for folder in actual.folders for s in folder)
    for number in range(6):
        np.testing.assert_array_equal(actual[number].image, expected[number].image)
        np.testing.assert_array_equal(actual[number].masks, expected[number].masks)
    assert list((settings.out / DECODED).iterdir())


def test_images_stay_in_memory_up_to_the_limit_of_all_together(tmp_path):
    store = ImageStore(tmp_path, limit_mb=1.5 * IMAGE.nbytes / 1e6)
    assert store.keep(IMAGE, "a") is IMAGE
    stored = store.keep(IMAGE, "b")
    assert isinstance(stored, StoredImage)
    np.testing.assert_array_equal(stored, IMAGE)
    np.testing.assert_array_equal(stored[:, 3:9, 5:], IMAGE[:, 3:9, 5:])
    assert (stored.shape, stored.dtype) == (IMAGE.shape, IMAGE.dtype)


def test_images_that_corrected_ones_replace_take_no_room_in_memory(settings):
    correct = PreprocessSettings(background="gaussian", background_size=30)
    settings = settings.model_copy(update={"preprocess": correct})
    corrected = tiles_of(settings).folders[0]
    room = 1.1 * sum(np.asarray(sample.image).nbytes + size_of(sample.cells) for sample in corrected) / 1e6
    (kept,) = tiles_of(settings.model_copy(update={"images_in_memory_mb": room})).folders
    assert all(isinstance(sample.image, np.ndarray) for sample in kept)


def test_images_of_the_same_source_are_written_once(tmp_path):
    first = ImageStore(tmp_path, 0).keep(IMAGE, "a")
    written = first.path.stat().st_mtime_ns
    again, other = ImageStore(tmp_path, 0).keep(IMAGE, "a"), ImageStore(tmp_path, 0).keep(IMAGE + 1, "b")
    assert (again.path, again.path.stat().st_mtime_ns) == (first.path, written)
    np.testing.assert_array_equal(other, IMAGE + 1)


def test_a_file_that_was_cut_short_is_written_again_and_one_that_is_gone_is_named(tmp_path):
    stored = ImageStore(tmp_path, 0).keep(IMAGE, "a")
    stored.path.write_bytes(b"\0" * 10)
    with pytest.raises(UserError, match="Resume the run"):
        stored[0]
    np.testing.assert_array_equal(ImageStore(tmp_path, 0).keep(IMAGE, "a"), IMAGE)
    stored.path.unlink()
    with pytest.raises(UserError, match=r"a?\.raw is gone"):
        stored[0]


def test_only_decoded_images_are_removed_with_a_run(tmp_path):
    ImageStore(tmp_path / DECODED, 0).keep(IMAGE, "a")
    theirs = tmp_path / DECODED / "field.raw"
    theirs.write_bytes(b"of another program")
    remove_decoded(tmp_path)
    assert list((tmp_path / DECODED).iterdir()) == [theirs]
    theirs.unlink()
    ImageStore(tmp_path / DECODED, 0).keep(IMAGE, "a")
    remove_decoded(tmp_path)
    assert not (tmp_path / DECODED).exists()
