"""OME-Zarr as other programs lay it out."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_centermask import cli
from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.files import read_files, write_files

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


def test_several_images_of_bioformats2raw_are_read_each_by_its_name(tmp_path, shared):
    shutil.copytree(shared / "faults" / "bf2raw" / "x.zarr", tmp_path / "x.zarr")
    shutil.copytree(tmp_path / "x.zarr" / "0", tmp_path / "x.zarr" / "1")
    _, reading = read_files(tmp_path / "x.zarr")
    assert [r.name for r in reading.results] == ["x.zarr/0", "x.zarr/1"]
    _, one = read_files(tmp_path / "x.zarr" / "1")
    assert [r.name for r in one.results] == ["x.zarr/1"]
    assert len(list(one.results[0])) > 0


def plate(path, version, **labels_of_field):
    """A plate with the wells A/1 and B/2, each with fields 0 and 1; `labels_of_field` by `A1_0`, names of label images."""
    root = zarr.open_group(store=str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    describe(
        root, version, {"plate": {"version": version, "wells": [{"path": "A/1"}, {"path": "B/2"}, {"path": "C/3"}]}}
    )
    for row, column in (("A", "1"), ("B", "2")):
        well = root.create_group(f"{row}/{column}")
        describe(well, version, {"well": {"version": version, "images": [{"path": "0"}, {"path": "1"}]}})
        for field in ("0", "1"):
            image = well.create_group(field)
            describe(image, version, {"multiscales": [{"datasets": [{"path": "0"}]}]})
            add_array(image, "0", np.zeros((20, 20), np.uint8))
            names = labels_of_field.get(f"{row}{column}_{field}", ())
            if names:
                group = image.create_group("labels")
                describe(group, version, {"labels": list(names)})
                for n, name in enumerate(names):
                    label = group.create_group(name)
                    describe(label, version, {"multiscales": [{"datasets": [{"path": "0"}]}], "image-label": {}})
                    add_array(label, "0", square(n))
    return path


def describe(group, version, values):
    group.attrs.update(values if version == "0.4" else {"ome": {"version": version, **values}})


def square(n):
    values = np.zeros((20, 20), np.int32)
    values[2 : 6 + n, 2 : 6 + n] = 1
    return values


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_all_fields_of_a_plate_with_labels_are_read(tmp_path, version):
    path = plate(tmp_path / "p.ome.zarr", version, A1_0=["nuclei"], B2_1=["nuclei", "cells"])
    _, reading = read_files(path)
    assert [r.name for r in reading.results] == ["p.ome.zarr/A/1/0", "p.ome.zarr/B/2/1"]
    first, second = reading.results
    assert first.categories == second.categories == {1: "nuclei", 2: "cells"}
    assert [(c.category, c.area) for c in first] == [(1, 16)]
    assert [(c.category, c.area) for c in second] == [(1, 16), (2, 25)]
    assert "2 of 4 images have no labels to read" in " ".join(reading.notes)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_well_and_a_field_of_a_plate_are_read_alone(tmp_path, version):
    path = plate(tmp_path / "p.zarr", version, A1_0=["nuclei"], A1_1=["nuclei"], B2_1=["nuclei"])
    for part, names in {
        "A/1": ["A/1/0", "A/1/1"],
        "B/2/1": ["B/2/1"],
        "B/2/1/labels/nuclei": ["B/2/1"],
    }.items():
        _, reading = read_files(path / part)
        assert [r.name for r in reading.results] == [f"p.zarr/{name}" for name in names]


def test_the_fields_of_a_plate_become_a_file_each(tmp_path):
    path = plate(tmp_path / "p.zarr", "0.5", A1_0=["nuclei"], B2_0=["nuclei"])
    _, reading = read_files(path)
    written = write_files(tmp_path / "out", reading.results, FORMATS["geojson"])
    assert sorted(p.name for p in written) == ["p_A_1_0.geojson", "p_B_2_0.geojson"]


def test_cells_of_a_plate_are_measured_on_their_fields(tmp_path):
    path = plate(tmp_path / "p.zarr", "0.5", A1_0=["nuclei"], B2_0=["nuclei"])
    assert cli.run(["measure", str(path), "--out", str(tmp_path / "cells.csv")]) == 0
    rows = (tmp_path / "cells.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["p.zarr/A/1/0", "p.zarr/B/2/0"]


def test_label_images_are_chosen_by_name(tmp_path):
    path = image(tmp_path / "a.zarr", "cytoplasm", "nuclei")
    _, reading = read_files(path, labels=["nuclei"])
    (result,) = reading.results
    assert [(result.categories[c.category], c.area) for c in result] == [("cell", 25)]
    assert not reading.notes
    with pytest.raises(BadAnnotations, match=r"no label image yeast\. Choose from: cytoplasm, nuclei"):
        read_files(path, labels=["yeast"])


def test_only_ome_zarr_has_label_images_to_choose_from(tmp_path):
    (tmp_path / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(BadSettings, match="Leave out --labels"):
        read_files(tmp_path / "a.geojson", labels=["nuclei"])


@pytest.mark.parametrize("way", ["../other", "/etc", "A/../../x", ""])
def test_a_plate_that_leads_out_of_its_folder_is_refused(tmp_path, way):
    root = zarr.open_group(store=str(tmp_path / "p.zarr"), mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": way}]}
    with pytest.raises(BadAnnotations, match="outside the folder"):
        read_files(tmp_path / "p.zarr")


def test_labels_without_a_list_are_found(tmp_path):
    _, reading = read_files(image(tmp_path / "a.zarr", "cells", listed=False))
    assert [c.area for c in reading.results[0]] == [16]


def test_several_label_images_become_categories_and_it_is_said(tmp_path):
    _, reading = read_files(image(tmp_path / "a.zarr", "cytoplasm", "nuclei"))
    (result,) = reading.results
    assert {result.categories[c.category]: c.area for c in result} == {"cytoplasm": 16, "nuclei": 25}
    assert "cytoplasm, nuclei" in " ".join(reading.notes)


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


def test_an_empty_well_and_a_single_array_are_explained(tmp_path):
    zarr.open_group(store=str(tmp_path / "w.zarr"), mode="w", zarr_format=2).attrs["well"] = {"images": []}
    with pytest.raises(BadAnnotations, match=r"w\.zarr has no labels"):
        read_files(tmp_path / "w.zarr")
    array = zarr.create_array(store=str(tmp_path / "a.zarr"), shape=(4, 4), dtype="int32", zarr_format=2)
    array[:] = 1
    with pytest.raises(BadAnnotations, match="a single array"):
        read_files(tmp_path / "a.zarr")
