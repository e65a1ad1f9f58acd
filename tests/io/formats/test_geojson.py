"""GeoJSON as QuPath writes and reads it."""

import gzip
import json

import numpy as np
import pytest

from napari_centermask.io.formats import FORMATS


def test_geojson_is_what_qupath_reads(tmp_path, result):
    FORMATS["geojson"].write(tmp_path / "x.geojson", [result((3,))])
    data = json.loads((tmp_path / "x.geojson").read_text(encoding="utf-8"))
    assert data["type"] == "FeatureCollection"
    kinds = set()
    for feature in data["features"]:
        kinds.add(feature["geometry"]["type"])
        assert feature["properties"]["objectType"] == "detection"
        assert feature["properties"]["classification"]["name"] in ("cell", "bud ü: \\x")
        assert feature["geometry"]["plane"]["z"] in (0, 1, 2)
        measures, own = feature["properties"]["measurements"], feature["properties"]["napari_centermask"]
        given = [measures.get(f"Probability: {name}") for name in ("cell", "bud ü: \\x")]
        assert given == (own["probabilities"] if "probabilities" in own else [None, None])
        parts = feature["geometry"]["coordinates"]
        for polygon in parts if feature["geometry"]["type"] == "MultiPolygon" else [parts]:
            assert all(ring[0] == ring[-1] and len(ring) >= 5 for ring in polygon)
    assert "MultiPolygon" in kinds


def test_a_class_that_was_changed_in_qupath_is_taken_over(tmp_path, result):
    path = tmp_path / "x.geojson"
    FORMATS["geojson"].write(path, [result()])
    data = json.loads(path.read_text(encoding="utf-8"))
    data["features"][0]["properties"]["classification"] = {"names": ["Tumor", "Positive"], "color": [1, 2, 3]}
    path.write_text(json.dumps(data))
    (after,) = FORMATS["geojson"].read(path).results
    first = next(iter(after))
    assert after.categories[first.category] == "Tumor: Positive"
    assert {1, 3} < set(after.categories)


def test_lines_and_points_are_skipped_and_the_size_is_assumed_with_a_note(tmp_path):
    square = [[[2, 1], [6, 1], [6, 4], [2, 4], [2, 1]]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": square}},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": None},
        {"type": "Feature", "geometry": None},
    ]
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(features))
    reading = FORMATS["geojson"].read(path)
    (result,) = reading.results
    assert result.shape == (4, 6)
    assert [c.box for c in result] == [(1, 2, 4, 6)]
    assert any("2 objects without an area" in n for n in reading.notes)
    assert any("4 x 6" in n for n in reading.notes)


def test_sizes_come_from_the_image_beside_the_file(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((30, 50), np.uint8)).save(tmp_path / "x.png")
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    reading = FORMATS["geojson"].read(path)
    assert reading.results[0].shape == (30, 50)
    assert reading.notes == ()


@pytest.mark.parametrize("name", ["a.geojson.gz", "a.json.GZ"])
def test_a_name_that_ends_with_gz_is_written_packed(tmp_path, result, name):
    cells = result((3,))
    FORMATS["geojson"].write(tmp_path / name, [cells])
    assert gzip.decompress((tmp_path / name).read_bytes()).startswith(b'{"type": "FeatureCollection"')
    (again,) = FORMATS["geojson"].read(tmp_path / name).results
    assert {c.id: (c.box, c.area) for c in again} == {c.id: (c.box, c.area) for c in cells}
