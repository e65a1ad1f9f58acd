"""OME-Zarr as other programs lay it out."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.files import read_files

zarr = pytest.importorskip("zarr")


def add_array(group, name, values):
    group.create_array(name, shape=values.shape, dtype=values.dtype)[:] = values


def labels(group, name, values):
    label = group.create_group(name)
    label.attrs["multiscales"] = [{"version": "0.4", "datasets": [{"path": "0"}]}]
    label.attrs["image-label"] = {"version": "0.4"}
    add_array(label, "0", np.asarray(values, np.int32))


def image(path, *names, listed=True):
    root = zarr.open_group(store=str(path), mode="w", zarr_format=2)
    root.attrs["multiscales"] = [{"version": "0.4", "datasets": [{"path": "0"}]}]
    group = root.create_group("labels")
    for n, name in enumerate(names):
        values = np.zeros((20, 20), np.int32)
        values[2 : 6 + n, 2 : 6 + n] = 1
        labels(group, name, values)
    if listed:
        group.attrs["labels"] = list(names)
    return path


def test_the_one_image_of_bioformats2raw_is_read(shared):
    _, reading = read_files(shared / "faults" / "bf2raw" / "x.zarr")
    assert len(list(reading.results[0])) > 0


def test_several_images_are_named_with_the_way(tmp_path, shared):
    shutil.copytree(shared / "faults" / "bf2raw" / "x.zarr", tmp_path / "x.zarr")
    shutil.copytree(tmp_path / "x.zarr" / "0", tmp_path / "x.zarr" / "1")
    with pytest.raises(BadAnnotations, match=r"holds 2 images.*x.zarr/0"):
        read_files(tmp_path / "x.zarr")
    _, reading = read_files(tmp_path / "x.zarr" / "1")
    assert len(list(reading.results[0])) > 0


def test_a_plate_is_named_with_the_way(tmp_path):
    root = zarr.open_group(store=str(tmp_path / "p.zarr"), mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    with pytest.raises(BadAnnotations, match=r"is a plate.*p.zarr/A/1/0"):
        read_files(tmp_path / "p.zarr")


def test_labels_without_a_list_are_found(tmp_path):
    _, reading = read_files(image(tmp_path / "a.zarr", "cells", listed=False))
    assert [c.area for c in reading.results[0]] == [16]


def test_several_label_images_become_categories_and_it_is_said(tmp_path):
    _, reading = read_files(image(tmp_path / "a.zarr", "cytoplasm", "nuclei"))
    (result,) = reading.results
    assert {result.categories[c.category]: c.area for c in result} == {"cytoplasm": 16, "nuclei": 25}
    assert "cytoplasm, nuclei" in " ".join(reading.notes)


def test_ome_zarr_labels_are_flat_and_described(tmp_path, result):
    zarr = pytest.importorskip("zarr")
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


def test_ome_zarr_of_other_programs_is_read(tmp_path):
    zarr = pytest.importorskip("zarr")
    labels = np.zeros((2, 1, 10, 12), np.uint8)
    labels[:, 0, 2:5, 3:6] = 7
    root = zarr.open_group(str(tmp_path / "x.zarr"), mode="w", zarr_format=3)
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"datasets": [{"path": "0"}]}]}
    group = root.create_group("labels")
    group.attrs["ome"] = {"version": "0.5", "labels": ["nuclei"]}
    nuclei = group.create_group("nuclei")
    nuclei.attrs["ome"] = {"multiscales": [{"datasets": [{"path": "s0"}]}], "image-label": {}}
    add_array(nuclei, "s0", labels)
    for path in (tmp_path / "x.zarr", tmp_path / "x.zarr" / "labels", tmp_path / "x.zarr" / "labels" / "nuclei"):
        (result,) = FORMATS["ome-zarr"].read(path).results
        assert (result.leading, result.shape) == ((2,), (10, 12))
        assert [c.area for c in result] == [9, 9]
    root.create_group("empty")
    with pytest.raises(BadAnnotations):
        FORMATS["ome-zarr"].read(tmp_path / "x.zarr" / "empty")


def test_label_images_that_are_listed_and_missing_are_named(tmp_path):
    path = image(tmp_path / "x.zarr", "cells")
    zarr.open_group(store=str(path / "labels"), mode="r+").attrs["labels"] = ["cells", "gone"]
    _, reading = read_files(path)
    assert len(reading.results[0]) == 1
    assert "not there: gone" in " ".join(reading.notes)


def test_a_label_image_without_attributes_is_read(tmp_path):
    root = zarr.open_group(store=str(tmp_path / "x.zarr"), mode="w", zarr_format=2)
    values = np.zeros((20, 20), np.int32)
    values[3:8, 3:8] = 1
    add_array(root.create_group("labels").create_group("cells"), "0", values)
    _, reading = read_files(tmp_path / "x.zarr")
    assert len(reading.results[0]) == 1


def test_a_well_and_a_single_array_are_explained(tmp_path):
    zarr.open_group(store=str(tmp_path / "w.zarr"), mode="w", zarr_format=2).attrs["well"] = {"images": []}
    with pytest.raises(BadAnnotations, match=r"Choose one of them: w\.zarr/0"):
        read_files(tmp_path / "w.zarr")
    array = zarr.create_array(store=str(tmp_path / "a.zarr"), shape=(4, 4), dtype="int32", zarr_format=2)
    array[:] = 1
    with pytest.raises(BadAnnotations, match="a single array"):
        read_files(tmp_path / "a.zarr")
