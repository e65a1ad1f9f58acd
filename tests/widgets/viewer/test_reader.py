"""Cells of every format are opened as napari does it, with their images where these are found."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cell_files import PLUGIN, overlapping, save_image, write_both

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import TIME
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.ctc import write_series
from napari_centermask.widgets.viewer import reader
from napari_centermask.widgets.viewer.layers import KEY
from napari_centermask.widgets.viewer.reader import get_reader
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture
def others(monkeypatch):
    """Another plugin reads the same files."""
    monkeypatch.setattr(reader, "is_for_us_alone", lambda path: False)


def test_every_format_opens_with_its_image_and_can_be_corrected(viewer, format, tmp_path, qtbot):
    save_image(tmp_path)
    path = tmp_path / f"field{format.ending}"
    format.write(path, [overlapping()])
    image, cells, outlines = viewer.open(path, plugin=PLUGIN)
    assert [layer.name for layer in (image, cells, outlines)] == ["field", "field cells", "field outlines"]
    session = session_of(viewer)
    qtbot.waitUntil(lambda: session.result(viewer.layers["field"].__wrapped__) is not None, timeout=60_000)
    assert [layer.name for layer in viewer.layers] == ["field", "field cells", "field outlines"]
    shown = session.shown(viewer.layers["field"].__wrapped__)
    assert [c.area for c in shown.result] == ([400, 375] if format.exact else [400, 275])
    assert shown.history.do("", ()) is None


_LABELME = {"label": "cell", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("field.geojson.gz", ""),
        ("field.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5"),
        ("field.json", json.dumps({"shapes": [_LABELME], "imagePath": "field.png"})),
    ],
)
def test_a_dropped_file_of_another_tool_opens_with_its_image(viewer, tmp_path, name, text):
    save_image(tmp_path)
    FORMATS["geojson"].write(tmp_path / name, [overlapping()])
    if text:
        (tmp_path / name).write_text(text)
    viewer.open(tmp_path / name, plugin=None)  # whichever claims such names, as for a drop
    assert {"field cells", "field outlines"} <= {layer.name for layer in viewer.layers}


def test_cells_without_their_image_open_as_layers(viewer, tmp_path):
    FORMATS["geojson"].write(tmp_path / "alone.geojson", [overlapping("alone.png")])
    cells, _outlines = viewer.open(tmp_path / "alone.geojson", plugin=PLUGIN)
    assert set(np.unique(cells.data)) == {0, 1, 2}
    assert cells.metadata[KEY].get((), 2).area == 375


@pytest.mark.parametrize(
    "name", ["x.zip", "x.roi", "x.geojson", "x.npy", "field.tif", "x.zarr", "x.txt", "none_seg.npy"]
)
def test_other_files_are_left_to_others(name, tmp_path, others):
    path = tmp_path / name
    if name.endswith(".zarr"):
        path.mkdir()
    elif not name.startswith("none"):
        path.write_bytes(b"something else")
    assert get_reader(str(path)) is None


def test_what_was_skipped_is_said(viewer, tmp_path, notices):
    (tmp_path / "x.geojson").write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}},'
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [5, 1], [5, 5]]]}}]}'
    )
    viewer.open(tmp_path / "x.geojson", plugin=PLUGIN)
    assert any("1 object without an area" in text for text in notices())


def test_coco_opens_with_its_image_and_keeps_overlaps(viewer, tmp_path):
    image, cells, outlines = viewer.open(write_both(tmp_path), plugin=PLUGIN)
    assert (image.name, cells.name, outlines.name) == ("field0", "field0 cells", "field0 outlines")
    assert set(np.unique(cells.data)) == {0, 3, 8}
    assert cells.metadata[KEY].plane(())[3].area == 400
    assert list(cells.features["category"]) == ["cell", "bud"]


def test_coco_of_equal_images_opens_as_a_stack(viewer, tmp_path):
    image, cells, _ = viewer.open(write_both(tmp_path, n=3), plugin=PLUGIN)
    assert image.data.shape == cells.data.shape == (3, 40, 50)
    assert len(np.unique(cells.data)) == 7


@pytest.mark.parametrize("text", ["{}", "[1, 2]", '{"name": "settings"}', "not json", ""])
def test_other_json_is_left_to_others(tmp_path, text, others):
    path = tmp_path / "x.json"
    path.write_text(text)
    assert get_reader(str(path)) is None
    assert get_reader([str(path)]) is None


@pytest.mark.parametrize(
    ("name", "text"), [("x.json", '{"name": "settings"}'), ("x.json", "[1, 2]"), ("x.json", "no"), ("x.geojson", "{}")]
)
def test_a_file_without_cells_that_is_dropped_is_explained(viewer, tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadAnnotations, match=rf"{name} (is not|cannot be read)"):
        viewer.open(path, plugin=PLUGIN)


def test_cells_go_onto_their_image_if_it_is_open(viewer, tmp_path):
    FORMATS["coco"].write(tmp_path / "cells.json", [overlapping()])
    image = viewer.add_image(np.zeros((40, 50), np.uint8), name="field").__wrapped__
    assert viewer.open(tmp_path / "cells.json", plugin=PLUGIN) == []
    assert [layer.name for layer in viewer.layers] == ["field", "field cells", "field outlines"]
    assert len(session_of(viewer).result(image)) == 2


@pytest.mark.parametrize("shape", [(40, 51), (1, 40, 50)])
def test_cells_do_not_go_onto_an_image_of_another_form(viewer, tmp_path, shape):
    FORMATS["coco"].write(tmp_path / "cells.json", [overlapping()])
    image = viewer.add_image(np.zeros(shape, np.uint8), name="field").__wrapped__
    assert len(viewer.open(tmp_path / "cells.json", plugin=PLUGIN)) == 2
    assert session_of(viewer).result(image) is None


def test_the_fields_of_a_plate_open_with_their_cells(viewer, tmp_path):
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(store=str(tmp_path / "p.zarr"), mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    assert get_reader(str(tmp_path / "p.zarr")) is None  # damaged: its well is missing
    well = root.create_group("A/1")
    well.attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    for name, value in (("0", 3), ("1", 0)):
        image = well.create_group(name)
        image.attrs["multiscales"] = [{"datasets": [{"path": "0"}]}]
        image.create_array("0", shape=(20, 24), dtype="uint8")[:] = 7
        if not value:
            continue
        label = image.create_group("labels").create_group("cells")
        label.attrs.update({"multiscales": [{"datasets": [{"path": "0"}]}], "image-label": {}})
        label.create_array("0", shape=(20, 24), dtype="int32")[2:5, 2:6] = value
    image, cells, _ = viewer.open(tmp_path / "p.zarr", plugin=PLUGIN)
    assert int(image.data.max()) == 7
    assert cells.metadata[KEY].name == "p.zarr/A/1/0"
    assert [c.area for c in cells.metadata[KEY]] == [12]


def test_a_result_of_the_cell_tracking_challenge_opens_on_its_image_with_its_tracks(viewer, tmp_path):
    series = Result((40, 40), leading=(2,))
    for at in range(2):
        series.set((at,), at + 1, Instance(at + 1, 5, 5, np.ones((6, 6), bool), status="accepted", track=3))
    write_series(tmp_path / "01_RES", series, TIME)
    image = viewer.add_image(np.zeros((2, 40, 40), np.uint8), name="01").__wrapped__
    viewer.open(tmp_path / "01_RES", plugin=PLUGIN)
    assert [cell.track for cell in session_of(viewer).result(image)] == [3, 3]
