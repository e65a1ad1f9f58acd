import numpy as np
import pytest
from scipy.ndimage import find_objects, label

from napari_centermask.core import label_runs
from napari_centermask.core.label_runs import LabelRuns


def some_labels(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 30, 2))
    values = rng.integers(0, rng.choice([2, 4, 60]), shape).astype(
        rng.choice([np.uint8, np.int32, np.uint16, np.int64])
    )
    return (
        np.where(rng.random(shape) < rng.random(), values, 0)
        if seed % 2
        else np.kron(values, np.ones((3, 2), values.dtype))
    )


@pytest.mark.parametrize("seed", range(60))
def test_crops_are_those_of_scipy(seed, monkeypatch):
    monkeypatch.setattr(label_runs, "_STRIP", [5, 1 << 20][seed % 3 > 0])
    labels = some_labels(seed)
    found = list(LabelRuns(labels).crops())
    windows = {n: w for n, w in enumerate(find_objects(labels.astype(np.int32)), start=1) if w is not None}
    assert [id for id, *_ in found] == list(windows)
    for id, y0, x0, mask in found:
        window = windows[id]
        assert (y0, x0) == (window[0].start, window[1].start)
        assert np.array_equal(mask, labels[window] == id)
        assert mask.flags.c_contiguous


@pytest.mark.parametrize("seed", range(120))
def test_labels_in_parts_are_counted_as_by_labelling_each_mask(seed):
    labels = some_labels(seed)
    expected = sum(label(labels == id, np.ones((3, 3)))[1] > 1 for id in np.unique(labels[labels > 0]))
    assert LabelRuns(labels).n_apart() == expected


@pytest.mark.parametrize("form", ["#.#.#/#.#.#/###.#/..#.#/..###", "#.#/.#./#.#", "##.##/.....", "#.#.#/.#.#."])
def test_forms_that_meet_below_are_one_part(form):
    mask = np.array([[c == "#" for c in line] for line in form.split("/")])
    assert LabelRuns(mask.astype(np.uint8)).n_apart() == (label(mask, np.ones((3, 3)))[1] > 1)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (4, 4)])
def test_an_image_without_labels_has_no_crops(shape):
    runs = LabelRuns(np.zeros(shape, np.uint16))
    assert list(runs.crops()) == []
    assert runs.n_apart() == 0


def test_very_large_labels_keep_their_numbers():
    labels = np.zeros((3, 6), np.uint64)
    labels[0, :2], labels[2, 3:] = 2**40, 7
    assert [(id, y0, x0, mask.shape) for id, y0, x0, mask in LabelRuns(labels).crops()] == [
        (7, 2, 3, (1, 3)),
        (2**40, 0, 0, (1, 2)),
    ]
