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
