"""Opening and saving cells of every format the way napari does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS
from napari_centermask.widgets.viewer.layers import KEY
from napari_centermask.widgets.viewer.reader import get_reader
from napari_centermask.widgets.viewer.state import session_of

PLUGIN = "napari-centermask"
NEEDS = {"imagej": "roifile", "ome-zarr": "zarr"}
ENDINGS = {"labels": ".tif", "cellpose": "_seg.npy", "imagej": ".zip", "geojson": ".geojson", "ome-zarr": ".zarr"}


@pytest.fixture(autouse=True)
def _plugin(npe2pm):
    import napari_centermask

    with npe2pm.tmp_plugin(manifest=Path(napari_centermask.__file__).parent / "napari.yaml"):
        yield


@pytest.fixture(params=FORMATS)
def format(request):
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return FORMATS[request.param]


def overlapping(name="field.png", leading=()) -> Result:
    result = Result((40, 50), leading=leading, name=name)
    for n, index in enumerate(np.ndindex(*leading)):
        result.set(index, 2 * n + 1, Instance(2 * n + 1, 5, 5, np.ones((20, 20), bool), order=1))
        result.set(index, 2 * n + 2, Instance(2 * n + 2, 15, 15, np.ones((15, 25), bool)))
    return result


def save_image(folder: Path) -> None:
    from PIL import Image

    Image.fromarray(np.arange(2000, dtype=np.uint8).reshape(40, 50)).save(folder / "field.png")


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


def test_cells_without_their_image_open_as_layers(viewer, tmp_path):
    FORMATS["geojson"].write(tmp_path / "alone.geojson", [overlapping("alone.png")])
    cells, _outlines = viewer.open(tmp_path / "alone.geojson", plugin=PLUGIN)
    assert set(np.unique(cells.data)) == {0, 1, 2}
    assert cells.metadata[KEY].get((), 2).area == 375


@pytest.mark.parametrize("leading", [(), (2,)], ids=str)
def test_every_format_is_written_from_a_label_layer(viewer, format, leading, tmp_path, notices):
    if format.name == "coco":
        pytest.skip("tested with the manifest")
    FORMATS["geojson"].write(tmp_path / "a.geojson", [overlapping("a.png", leading)])
    cells, _ = viewer.open(tmp_path / "a.geojson", plugin=PLUGIN)
    path = tmp_path / f"out{ENDINGS[format.name]}"
    before = len(notices())
    assert cells.save(str(path), plugin=PLUGIN) == [str(path)]
    (result,) = format.read(path).results
    assert len(result) == 2 * max(1, sum(leading))
    assert result.leading == leading
    messages = notices()[before:]
    if format.exact:
        assert messages == []
    else:
        assert f"{100 * max(1, sum(leading))} pixels" in messages[0]


@pytest.mark.parametrize(
    "name", ["x.zip", "x.roi", "x.geojson", "x.npy", "field.tif", "x.zarr", "x.txt", "none_seg.npy"]
)
def test_other_files_are_left_to_others(name, tmp_path):
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
    assert "1 object without an area" in notices()[-1]
