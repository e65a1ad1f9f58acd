"""What the manifest contributes, reached the way napari reaches it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.widgets.viewer.layers import KEY
from napari_centermask.widgets.viewer.reader import get_reader
from napari_centermask.widgets.viewer.samples import FOLDER

PLUGIN = "napari-centermask"
SAMPLES = {
    "nuclei_fluorescence": (520, 696),
    "nuclei_fluorescence_small": (256, 256),
    "nuclei_histology": (256, 320, 3),
    "nuclei_screen": (520, 696),
    "nuclei_overlapping": (256, 256),
    "cells_phase": (512, 512),
}


@pytest.fixture(autouse=True)
def _plugin(npe2pm_):
    """The plugin as it is installed, and no other."""


@pytest.fixture
def npe2pm_(npe2pm):
    from pathlib import Path

    import napari_centermask

    with npe2pm.tmp_plugin(manifest=Path(napari_centermask.__file__).parent / "napari.yaml") as plugin:
        yield plugin


@pytest.mark.parametrize(("key", "shape"), SAMPLES.items())
def test_every_sample_opens_as_an_image(viewer, key, shape):
    (layer,) = viewer.open_sample(PLUGIN, key)
    assert layer.data.shape == shape
    assert layer.rgb == (len(shape) == 3)


def test_samples_are_attributed_and_small():
    text = (FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    images = list(FOLDER.glob("*.png"))
    assert len(images) == len(SAMPLES)
    assert all(image.name in text for image in images)
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 3_000_000


def test_the_dock_opens_from_the_plugin(viewer, engine):
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "CenterMask")
    assert type(dock).__name__ == "SegmentDock"
    assert dock.source is None


def two_overlapping() -> Instances:
    cells = Instances((40, 50), categories={1: "cell", 2: "bud"})
    cells.add(Instance(3, 5, 5, np.ones((20, 20), bool), score=0.9))
    cells.add(Instance(8, 15, 15, np.ones((15, 25), bool), category=2, score=0.6))
    return cells


def write_both(folder, n=1):
    from PIL import Image

    names = [f"field{i}.png" for i in range(n)]
    for name in names:
        Image.fromarray(np.arange(2000, dtype=np.uint8).reshape(40, 50)).save(folder / name)
    records = [ImageRecord(i, name, None, (40, 50), two_overlapping()) for i, name in enumerate(names, start=1)]
    write_coco(folder / "annotations.json", records)
    return folder / "annotations.json"


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
def test_other_json_is_left_to_others(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    assert get_reader(str(path)) is None
    assert get_reader([str(path)]) is None


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


def test_the_menu_command_segments_the_active_image(viewer, engine, qtbot, discs):
    from napari_centermask.widgets.segment.commands import segment_active
    from napari_centermask.widgets.viewer.state import session_of

    viewer.add_image(discs(), name="discs")
    viewer.add_image(discs()[::-1], name="other")
    viewer.layers.selection.active = viewer.layers["discs"]
    segment_active(viewer)
    qtbot.waitUntil(lambda: not session_of(viewer).runner.is_running, timeout=20_000)
    assert "discs cells" in viewer.layers


def test_the_menu_command_on_labels_gives_one_notification(viewer, engine, notices):
    from napari_centermask.widgets.segment.commands import segment_active

    viewer.add_labels(np.eye(16, dtype=np.uint8), name="mine")
    segment_active(viewer)
    assert len(notices()) == 1
    assert "'mine' is a Labels layer" in notices()[0]


def test_the_demo_window_shows_the_image_and_its_cells(make_napari_viewer, engine, tmp_path, monkeypatch):
    import napari

    from napari_centermask.widgets.viewer import demo

    viewer = make_napari_viewer()
    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    coco = write_both(tmp_path)
    demo.show(tmp_path / "field0.png", coco)
    assert [x.name for x in viewer.layers] == ["field0", "field0 cells", "field0 outlines"]
