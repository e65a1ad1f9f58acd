"""Damaged and hostile files of every format: a reading or one clear message, never another error, never much memory."""

import json
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_centermask.core.errors import BadAnnotations, UserError
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS

hostile = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

NUMBERS = st.one_of(
    st.integers(-3, 20),
    st.sampled_from([-1, 2**31, 2**63, 10**30, 1e308, -1e308, float("nan"), float("inf"), 0.5, -0.0, 1e9]),
)
WORDS = st.sampled_from(
    [
        *("type", "FeatureCollection", "Feature", "features", "geometry", "geometries", "Polygon", "MultiPolygon"),
        *("GeometryCollection", "coordinates", "properties", "classification", "name", "names", "plane", "z", "t", "c"),
        *("napari_centermask", "shape", "leading", "image", "categories", "reviewed_regions", "boxes", "id", "order"),
        *("score", "status", "last_id", "threshold", "../../x", "/etc/passwd", "\0", "", "1"),
    ]
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
VALUES = st.recursive(
    LEAVES, lambda v: st.one_of(st.lists(v, max_size=4), st.dictionaries(WORDS, v, max_size=4)), max_leaves=12
)


def some_cells() -> Result:
    result = Result((20, 24), leading=(2,), name="a.png")
    mask = np.ones((6, 7), bool)
    mask[2, 2] = False
    result.set((0,), 1, Instance(1, 3, 4, mask))
    result.set((1,), 2, Instance(2, 5, 6, np.eye(3, dtype=bool), category=1, status="rejected"))
    result.set_reviewed((0,), [(0, 0, 5, 5)])
    return result


def read_or_refuse(format: str, path: Path) -> Result | None:
    """The first result; None after one clear message."""
    before = sorted(path.parent.rglob("*"))
    try:
        reading = FORMATS[format].read(path)
    except UserError:
        return None
    assert sorted(path.parent.rglob("*")) == before
    for result in reading.results:
        assert not {"/", "\\", "\0"} & set(result.name)
        assert result.name not in ("", ".", "..")
        for cell in result:
            y0, x0, y1, x1 = cell.box
            assert 0 <= y0 < y1 <= result.shape[0]
            assert 0 <= x0 < x1 <= result.shape[1]
    return reading.results[0]


def mutated(draw, value):
    """JSON with one of its parts replaced."""
    if isinstance(value, (dict, list)) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        copy = dict(value) if isinstance(value, dict) else list(value)
        if draw(st.integers(0, 9)) == 0:
            del copy[key]
        else:
            copy[key] = mutated(draw, value[key])
        return copy
    return draw(VALUES)


def damaged(draw, data: bytes) -> bytes:
    """Bytes with some overwritten, cut off or put in."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at:at] = draw(st.binary(max_size=8))
        else:
            data[at : at + 4] = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80"]))
    return bytes(data)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A good file of each format."""
    folder = tmp_path_factory.mktemp("good")
    made = {}
    for name, format in FORMATS.items():
        made[name] = folder / name / f"a{format.ending}"
        try:
            format.write(made[name], [some_cells()])
        except UserError:
            del made[name]
    return made


@hostile
@given(data=st.data())
def test_any_geojson(data, files, tmp_path):
    good = json.loads(files["geojson"].read_text(encoding="utf-8"))
    value = data.draw(VALUES) if data.draw(st.integers(0, 3)) == 0 else mutated(data.draw, good)
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(value), encoding="utf-8")
    read_or_refuse("geojson", path)


@hostile
@given(data=st.data())
@pytest.mark.parametrize("format", ["geojson", "cellpose", "imagej", "labels"])
def test_damaged_bytes(format, data, files, tmp_path):
    if format not in files:
        pytest.skip("needs an extra")
    path = tmp_path / ("x" + FORMATS[format].ending)
    path.write_bytes(damaged(data.draw, files[format].read_bytes()))
    read_or_refuse(format, path)


@hostile
@given(data=st.data())
def test_rois_with_damaged_headers_in_a_good_zip(data, files, tmp_path):
    pytest.importorskip("roifile")
    with zipfile.ZipFile(files["imagej"]) as archive:
        entries = {n: archive.read(n) for n in archive.namelist()}
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            if name.endswith(".json"):
                content = json.dumps(mutated(data.draw, json.loads(content))).encode()
            elif data.draw(st.booleans()):
                content = damaged(data.draw, content)
            archive.writestr(data.draw(st.sampled_from([name, "../../" + name, "/" + name])), content)
    read_or_refuse("imagej", path)
    assert not (tmp_path.parent / "000001.roi").exists()


@hostile
@given(data=st.data())
def test_cellpose_dictionaries_of_anything(data, tmp_path):
    arrays = st.sampled_from(
        [np.eye(4, dtype=np.uint16), np.zeros((2, 3, 4)), -np.ones((3, 3), int), np.zeros(0), np.full((2, 2), 1e30)]
    )
    value = data.draw(st.one_of(VALUES, arrays, st.lists(arrays, max_size=2)))
    content = {"masks": value, "filename": data.draw(LEAVES), "ismanual": data.draw(st.one_of(LEAVES, arrays))}
    path = tmp_path / "x_seg.npy"
    with path.open("wb") as stream:
        np.save(stream, np.array(content, dtype=object), allow_pickle=True)
    read_or_refuse("cellpose", path)


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.5"])
@settings(hostile, max_examples=30)
@given(data=st.data())
def test_any_metadata_of_ome_zarr(name, data, files, tmp_path):
    pytest.importorskip("zarr")
    import shutil

    path = tmp_path / "x.ome.zarr"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(files[name], path)
    described = sorted(p for p in path.rglob("*") if p.name.startswith(".z") or p.name == "zarr.json")
    chosen = data.draw(st.sampled_from(described))
    chosen.write_text(json.dumps(mutated(data.draw, json.loads(chosen.read_text()))), encoding="utf-8")
    read_or_refuse(name, path)


def bounded(action) -> None:
    """A refusal that takes less than 64 MB."""
    tracemalloc.start()
    try:
        with pytest.raises(BadAnnotations):
            action()
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def square(size, at=0):
    ring = [[at, at], [at + size, at], [at + size, at + size], [at, at + size]]
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.mark.parametrize(
    "content",
    [
        [square(1, 10**12)],
        [square(10**7)],
        {"type": "FeatureCollection", "napari_centermask": {"shape": [10**9, 10**9]}, "features": []},
        {"type": "FeatureCollection", "napari_centermask": {"shape": [9, 9], "leading": [10**9]}, "features": []},
    ],
    ids=["far away", "huge", "huge image", "many planes"],
)
def test_absurd_sizes_in_geojson_take_no_memory(content, tmp_path):
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(content))
    bounded(lambda: FORMATS["geojson"].read(path))


def test_many_large_cells_are_stopped(tmp_path, monkeypatch):
    from napari_centermask.io.formats import reading

    monkeypatch.setattr(reading, "LARGEST_CELLS", 1_000_000)
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps([square(500)] * 10))
    bounded(lambda: FORMATS["geojson"].read(path))


def test_json_as_deep_as_the_stack_is_refused(tmp_path):
    path = tmp_path / "x.geojson"
    path.write_text("[" * 100_000)
    bounded(lambda: FORMATS["geojson"].read(path))


def test_a_zip_bomb_takes_no_memory(tmp_path, monkeypatch):
    pytest.importorskip("roifile")
    from napari_centermask.io.formats import imagej

    monkeypatch.setattr(imagej, "_LARGEST_ROI", 1 << 20)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", bytes(100 * 2**20))
    bounded(lambda: FORMATS["imagej"].read(path))


@pytest.mark.parametrize("field", ["shape", "chunks"])
def test_absurd_sizes_in_ome_zarr_take_no_memory(field, files, tmp_path):
    pytest.importorskip("zarr")
    import shutil

    path = tmp_path / "x.ome.zarr"
    shutil.copytree(files["ome-zarr"], path)
    array = path / "labels" / "cells_0" / "0" / ".zarray"
    about = json.loads(array.read_text())
    about[field] = [2, 10**6, 10**6]
    array.write_text(json.dumps(about))
    bounded(lambda: FORMATS["ome-zarr"].read(path))


@pytest.mark.parametrize("name", ["../../outside", "..", "/etc", "a/../../b"])
def test_labels_outside_of_the_folder_are_refused(name, files, tmp_path):
    pytest.importorskip("zarr")
    import shutil

    path = tmp_path / "x.ome.zarr"
    shutil.copytree(files["ome-zarr"], path)
    about = path / "labels" / ".zattrs"
    about.write_text(json.dumps({"labels": [name]}))
    with pytest.raises(BadAnnotations):
        FORMATS["ome-zarr"].read(path)
