"""Files of Cellpose."""

from pathlib import Path

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats import FORMATS


def test_cellpose_opens_what_is_written(tmp_path, result):
    FORMATS["cellpose"].write(tmp_path / "x_seg.npy", [result(rough=False)])
    content = np.load(tmp_path / "x_seg.npy", allow_pickle=True).item()  # our own file
    assert {"masks", "outlines", "filename", "flows", "ismanual"} <= set(content)
    assert content["masks"].max() == len(np.unique(content["masks"])) - 1 == len(content["ismanual"])
    edge = content["outlines"] > 0
    assert (content["masks"][edge] == content["outlines"][edge]).all()
    assert 0 < edge.sum() < (content["masks"] > 0).sum()


@pytest.mark.parametrize("strip", [1, 40, 1 << 20])
def test_labels_are_counted_and_outlined_in_every_plane(tmp_path, monkeypatch, strip):
    from napari_centermask.io.formats import cellpose
    from napari_centermask.io.formats.labels import from_stack

    monkeypatch.setattr(cellpose, "_STRIP", strip)
    stack = np.zeros((2, 9, 8), np.int32)
    stack[0, 1:5, 1:6], stack[0, 5:9, 2:6], stack[1, :, :2], stack[1, 3, 5] = 7, 3, 12, 40
    FORMATS["cellpose"].write(tmp_path / "x_seg.npy", [from_stack(tmp_path, stack, name="x")])
    content = np.load(tmp_path / "x_seg.npy", allow_pickle=True).item()  # our own file
    assert np.array_equal(np.array([0, 3, 7, 12, 40])[content["masks"]], stack)
    assert np.array_equal(
        np.argwhere((content["masks"] == 2) & (content["outlines"] == 0)),
        [(0, y, x) for y in (2, 3) for x in (2, 3, 4)],
    )
    assert np.array_equal(
        np.argwhere((content["masks"] == 1) & (content["outlines"] == 0)), [(0, y, x) for y in (6, 7) for x in (3, 4)]
    )
    assert np.array_equal(content["outlines"][1], content["masks"][1])


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    class Runs:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / "x_seg.npy"
    with path.open("wb") as stream:
        np.save(stream, np.array({"masks": Runs()}, dtype=object), allow_pickle=True)
    with pytest.raises(BadAnnotations, match="which is not an array"):
        FORMATS["cellpose"].read(path)
    assert not (tmp_path / "ran").exists()


def test_an_npy_of_labels_is_not_a_cellpose_file(tmp_path):
    np.save(tmp_path / "x_seg.npy", np.eye(3, dtype=int))
    with pytest.raises(BadAnnotations, match="'labels'"):
        FORMATS["cellpose"].read(tmp_path / "x_seg.npy")
