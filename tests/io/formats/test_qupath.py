"""QuPath's objects, zips, regions and planes."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats import qupath
from napari_centermask.io.formats.files import read_files


def square(x, y, side, kind="detection", **more):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]} | more.pop("geometry", {}),
        "properties": {"objectType": kind} | more.pop("properties", {}),
        **more,
    }


def save(path, *features):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def read(path):
    _, reading = read_files(path)
    return reading.results[0], " ".join(reading.notes)


def test_a_tissue_is_not_a_cell_and_a_nucleus_is_a_separate_one(shared):
    result, notes = read(shared / "faults" / "qupath_region" / "q.geojson")
    named = {result.categories[c.category]: c.area for c in result}
    assert named == {"cell": 400, "nucleus": 25}
    assert "Left out 1 object: annotations" in notes
    assert "Read 1 nucleus of a cell" in notes


def test_a_zip_of_geojson_is_read(shared):
    result, _ = read(shared / "faults" / "qupath_zip" / "q.zip")
    assert len(list(result)) == 1


def test_a_zip_that_claims_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_centermask.io.formats.geojson._LARGEST_FILE", 100)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.geojson", " " * 1000)
    with pytest.raises(BadAnnotations, match="2 GiB"):
        read_files(tmp_path / "a.zip")


def test_annotations_are_cells_where_there_is_nothing_else(tmp_path):
    cells = [square(20 * n, 0, 10, "annotation") for n in range(4)]
    result, notes = read(save(tmp_path / "a.geojson", *cells))
    assert (len(list(result)), "regions" in notes) == (4, False)
    result, notes = read(save(tmp_path / "b.geojson", square(0, 0, 100, "annotation"), *cells))
    assert (len(list(result)), "Left out 1 object" in notes) == (4, True)


def test_a_region_is_read_at_its_place_in_the_slide(tmp_path):
    tifffile.imwrite(tmp_path / "s [d=2,x=1000,y=2000,w=128,h=128].tif", np.zeros((64, 64), np.uint8))
    path = save(tmp_path / "s [d=2,x=1000,y=2000,w=128,h=128].geojson", square(1020, 2040, 20))
    result, _ = read(path)
    (cell,) = result
    assert (cell.box, cell.area) == ((20, 10, 30, 20), 100)


def test_outlines_of_another_image_are_refused_with_the_way_out(tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((64, 64), np.uint8))
    path = save(tmp_path / "s.geojson", square(1020, 2040, 20), square(1100, 2040, 20), square(5, 5, 10))
    with pytest.raises(BadAnnotations, match=r"2 of 3 outlines.*y 5, x 5 to y 2060, x 1120.*\[x="):
        read_files(path)


@pytest.mark.parametrize("name", ["s.geojson", "s_rois.zip"])
def test_the_number_of_planes_is_the_images(shared, name):
    result, _ = read(shared / "faults" / "roi_stack" / name)
    assert result.leading == (10,)


def test_cells_on_planes_that_are_not_there_are_counted(tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((3, 64, 64), np.uint8), imagej=True, metadata={"axes": "TYX"})
    features = [square(5, 5, 10, geometry={"plane": {"c": -1, "z": z, "t": 0}}) for z in (0, 2, 7)]
    result, notes = read(save(tmp_path / "s.geojson", *features))
    assert result.leading == (3,)
    assert sorted(i for i, plane in result.planes.items() if len(plane)) == [(0,), (2,)]
    assert "1 object on planes" in notes


def test_the_boxes_of_many_objects_are_those_of_each():
    rng = np.random.default_rng(0)
    rings = rng.integers(0, 50, (9, 5, 2)).tolist()
    geometries = [{"type": "Polygon", "coordinates": [ring]} for ring in rings[:4]]
    geometries += [{"type": "Polygon", "coordinates": rings[4:6]}, {"type": "Point", "coordinates": [3.5, 4]}]
    geometries += [{"type": "MultiPolygon", "coordinates": [[ring] for ring in rings[6:]]}, None, {"type": "Polygon"}]
    geometries += [
        {"type": "Polygon", "coordinates": c} for c in ([[]], [["x"]], [[[1, "x"], [2, 3]]], [[[10**400, 1]] * 3])
    ]
    boxes = qupath._boxes([{"geometry": g} for g in geometries])
    for box, geometry in zip(boxes[:-1], geometries, strict=False):
        expected = qupath._box({"geometry": geometry})
        assert np.isnan(box).all() if expected is None else tuple(box) == expected
    assert np.isnan(boxes[-1]).all()


@pytest.mark.parametrize("name", ["a.geojson.gz", "a.json.gz"])
def test_packed_geojson_is_read_with_its_image(tmp_path, shared, name):
    packed = (shared / "faults" / "qupath_zip" / "q.geojson.gz").read_bytes()
    (tmp_path / name).write_bytes(packed)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((60, 80), np.uint8))
    result, _ = read(tmp_path / name)
    assert (len(result), result.name, result.shape) == (1, "a", (60, 80))
    (tmp_path / name).write_bytes(packed[:-12])
    with pytest.raises(BadAnnotations, match="cannot be read as GeoJSON"):
        read(tmp_path / name)


def test_a_zip_of_several_files_names_the_way(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.geojson", "{}")
        archive.writestr("b.geojson", "{}")
    with pytest.raises(BadAnnotations, match="2 files of GeoJSON; unpack it"):
        read_files(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["Tissue", "Region*", "Ignore*", "tissue section"])
def test_a_lone_annotation_whose_class_is_a_region_is_no_cell(tmp_path, name):
    tissue = square(0, 0, 60, "annotation", properties={"classification": {"name": name}})
    result, notes = read(save(tmp_path / "a.geojson", tissue))
    assert len(result) == 0
    assert "Left out 1 object" in notes


def test_outlines_without_a_pixel_are_not_called_outside(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((60, 80), np.uint8))
    specks = [square(10 * n + 3, 5, 0) for n in range(4)]
    result, notes = read(save(tmp_path / "a.geojson", square(5, 20, 10), *specks))
    assert len(result) == 1
    assert "Skipped 4 objects without a pixel." in notes


def test_a_class_may_be_a_plain_name(tmp_path):
    result, _ = read(save(tmp_path / "a.geojson", square(5, 5, 10, properties={"classification": "Tumor"})))
    assert list(result.categories.values()) == ["Tumor"]
