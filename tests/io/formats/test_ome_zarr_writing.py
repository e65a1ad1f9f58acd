"""What is written as OME-Zarr, judged by yaozarrs, and by zarr itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS

zarr = pytest.importorskip("zarr")
yaozarrs = pytest.importorskip("yaozarrs")

BOTH = pytest.mark.parametrize(("name", "version"), [("ome-zarr", "0.4"), ("ome-zarr-0.5", "0.5")])


@BOTH
@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_what_is_written_validates_and_says_its_version(tmp_path, result, name, version, leading):
    FORMATS[name].write(tmp_path / "x.ome.zarr", [result(leading)])
    group = yaozarrs.validate_zarr_store(tmp_path / "x.ome.zarr")  # its warnings are errors here
    assert group.ome_version() == version


@BOTH
def test_a_result_without_cells_validates_and_is_read(tmp_path, name, version):
    FORMATS[name].write(tmp_path / "x.ome.zarr", [Result((30, 40), name="field.png")])
    yaozarrs.validate_zarr_store(tmp_path / "x.ome.zarr")
    (read,) = FORMATS[name].read(tmp_path / "x.ome.zarr").results
    assert (read.name, len(read)) == ("field.png", 0)


@BOTH
def test_labels_name_no_source_as_the_image_is_not_there(tmp_path, result, name, version):
    FORMATS[name].write(tmp_path / "x.ome.zarr", [result()])
    labels = zarr.open_group(str(tmp_path / "x.ome.zarr"), mode="r")["labels"]
    for _, label in labels.members():
        about = dict(label.attrs) if version == "0.4" else label.attrs["ome"]
        assert "source" not in about["image-label"]


@BOTH
def test_the_root_counts_the_cells_on_each_pixel(tmp_path, result, name, version):
    before = result((2,))
    FORMATS[name].write(tmp_path / "x.ome.zarr", [before])
    root = zarr.open_group(str(tmp_path / "x.ome.zarr"), mode="r")
    expected = np.zeros((2, 120, 140), int)
    for index in before.planes:
        for cell in before.plane(index):
            y0, x0, y1, x1 = cell.box
            expected[index][y0:y1, x0:x1] += cell.mask
    assert expected.max() > 1
    np.testing.assert_array_equal(root["0"][:], expected)


def test_version_0_5_is_zarr_3_with_named_dimensions(tmp_path, result):
    FORMATS["ome-zarr-0.5"].write(tmp_path / "x.ome.zarr", [result((3,))])
    about = json.loads((tmp_path / "x.ome.zarr" / "labels" / "cells_0" / "0" / "zarr.json").read_text())
    assert (about["zarr_format"], about["dimension_names"]) == (3, ["z", "y", "x"])
    assert not list((tmp_path / "x.ome.zarr").rglob(".z*"))


def test_labels_are_flat_and_described(tmp_path, result):
    before = result((2, 3))
    FORMATS["ome-zarr"].write(tmp_path / "x.ome.zarr", [before])
    labels = zarr.open_group(str(tmp_path / "x.ome.zarr"), mode="r")["labels"]
    names = labels.attrs["labels"]
    assert len(names) > 1
    seen = set()
    for name in names:
        about = labels[name].attrs
        (scale,) = about["multiscales"]
        assert [a["name"] for a in scale["axes"]] == ["t", "z", "y", "x"]
        array = labels[name][scale["datasets"][0]["path"]]
        assert array.shape == (2, 3, 120, 140)
        values = set(np.unique(array[:]).tolist()) - {0}
        assert values == {p["label-value"] for p in about["image-label"]["properties"]}
        seen |= values
    assert seen == {c.id for c in before}
