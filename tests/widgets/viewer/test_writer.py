"""Cells are saved from layers in every format, as napari does it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from cell_files import PLUGIN, overlapping

from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.formats import FORMATS

pytestmark = pytest.mark.usefixtures("plugin")
ENDINGS = {"labels": ".tif", "cellpose": "_seg.npy", "imagej": ".zip", "geojson": ".geojson"} | dict.fromkeys(
    ("ome-zarr", "ome-zarr-0.5"), ".zarr"
)


@pytest.mark.parametrize("leading", [(), (2,)], ids=str)
def test_every_format_is_written_from_a_label_layer(viewer, format, leading, tmp_path, notices):
    if format.name == "coco":
        pytest.skip("has tests of its own below")
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


def test_saving_a_result_as_coco_and_reading_it_gives_the_same_cells(viewer, dock, run_to_end, discs, tmp_path):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    dock.cells.score._slider.setValue(70)
    viewer.layers["discs cells"].save(str(tmp_path / "out.json"), plugin=PLUGIN)
    (record,) = read_coco(tmp_path / "out.json")
    truth = dock.session.result(dock.source).visible(())
    assert len(record.instances) == len(truth) == 2
    for cell in truth:
        assert any(c.box == cell.box and np.array_equal(c.mask, cell.mask) for c in record.instances)
    assert json.loads((tmp_path / "out.json").read_text())["annotations"][0]["score"] >= 0.7


def test_any_label_layer_can_be_saved_as_coco(viewer, tmp_path):
    labels = np.zeros((2, 20, 20), np.int32)
    labels[0, 2:5, 2:5], labels[1, 8:12, 8:12] = 4, 7
    viewer.add_labels(labels, name="mine").save(str(tmp_path / "mine.json"), plugin=PLUGIN)
    records = read_coco(tmp_path / "mine.json")
    assert [[c.id for c in r.instances] for r in records] == [[4], [7]]
    assert [(r.file_name, r.plane, r.leading) for r in records] == [("mine.tif", (0,), (2,)), ("mine.tif", (1,), (2,))]


def test_a_stack_of_one_file_opens_as_it_was_saved(viewer, tmp_path):
    tifffile.imwrite(
        tmp_path / "mine.tif", np.zeros((2, 20, 20), np.uint8), photometric="minisblack", metadata={"axes": "ZYX"}
    )
    labels = np.zeros((2, 20, 20), np.int32)
    labels[0, 2:5, 2:5], labels[1, 8:12, 8:12] = 4, 7
    viewer.add_labels(labels, name="mine", scale=(1, 0.5, 0.5), units=("um", "um", "um")).save(
        str(tmp_path / "mine.json"), plugin=PLUGIN
    )
    viewer.layers.clear()
    image, cells, _ = viewer.open(tmp_path / "mine.json", plugin=PLUGIN)
    assert image.data.shape == (2, 20, 20)
    np.testing.assert_array_equal(cells.data, labels)
    assert read_coco(tmp_path / "mine.json")[1].pixel_size_um == 0.5


def test_labels_are_saved_as_shown(viewer, dock, run_to_end, discs, tmp_path):
    viewer.add_image(np.stack([discs()] * 2), name="discs")
    run_to_end()
    viewer.layers["discs cells"].save(str(tmp_path / "out.tif"), plugin=PLUGIN)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), viewer.layers["discs cells"].data)
    assert not list(tmp_path.glob("*.part"))
