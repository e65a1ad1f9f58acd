"""A U-Net in the docks: a graph of two lines, found, loaded and run as every model is."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import tifffile
from onnx import TensorProto, helper

from napari_centermask.core.instances import intersection
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import user_folder
from napari_centermask.settings import SegmentSettings, UNetSettings
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.prompt import prompts_of
from napari_centermask.widgets.edit.prompt_work import Request


@pytest.fixture
def unet(tmp_path, monkeypatch):
    """An installed model that takes brightness for the probability of the foreground."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    form = UNetSettings(in_channels=1, border=False, distance=False)
    defaults = {"foreground": 0.4}
    card = ModelCard(
        name="bright", licence="CC0-1.0", model=form, diameter=20.0, percentiles=(0, 100), defaults=defaults
    )
    sides = ["batch", "height", "width"]
    image, maps = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [sides[0], n, *sides[1:]])
        for name, n in (("image", 1), ("maps", 2))
    )
    nodes = [
        helper.make_node("Sub", ["one", "image"], ["background"]),
        helper.make_node("Concat", ["background", "image"], ["maps"], axis=1),
    ]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    graph = helper.make_model(helper.make_graph(nodes, "bright", [image], [maps], [one]), ir_version=9)
    helper.set_model_props(graph, {"card": card.to_json()})
    folder = user_folder() / "bright"
    folder.mkdir(parents=True)
    onnx.save(graph, folder / "bright.maps.onnx")
    return card


@pytest.fixture
def dock(viewer, unet, qtbot):
    from napari_centermask.widgets.segment.dock import SegmentDock

    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment")
    dock.model.models.setCurrentText("bright")
    dock.model.diameter.setValue(20.0)
    yield dock
    dock.session.runner.cancel()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=20_000)


@pytest.fixture
def wait(dock, qtbot):
    return lambda: qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=30_000)


def touching(discs):
    return discs(centres=((40, 40), (40, 57), (90, 90)), values=(1.0, 1.0, 0.8))


def test_the_form_shows_what_the_family_has(dock):
    form = dock.advanced.form
    dock.advanced.fold.expand()

    def shown():
        return {name for name, row in form.rows.items() if not row.control.native.isHidden()}

    assert {"foreground", "seed", "smoothing", "flips"} <= shown()
    assert not {"nms", "max_detections"} & shown()
    assert not {"nms", "max_detections"} & set(form.value())
    assert form.value()["foreground"] == 0.4
    assert "no overlaps" in dock.model.about.text()
    dock.model.models.setCurrentText("nuclei")
    assert not {"foreground", "seed", "smoothing"} & shown()
    assert {"nms", "mask_nms", "max_detections", "flips"} <= shown()
    assert not {"foreground", "seed", "smoothing"} & set(form.value())
    assert dock.advanced.classes.isHidden()


def test_a_run_parts_touching_cells(viewer, dock, wait, discs):
    layer = viewer.add_image(touching(discs), name="discs")
    dock.run.start.click()
    wait()
    cells = list(dock.session.result(layer).plane(()))
    assert len(cells) == 3
    assert not any(intersection(a, b) for a in cells for b in cells if a is not b)
    assert {c.source for c in cells} == {"bright"}
    dock.advanced.form.set_value({"smoothing": 12.0})
    dock.run.start.click()
    wait()
    assert len(dock.session.result(layer).plane(())) == 2


def test_the_class_of_each_pixel_becomes_a_layer(viewer, dock, wait, discs):
    image = np.stack([discs(), touching(discs)])
    viewer.add_image(image, name="stack", scale=(1, 2, 3))
    viewer.dims.set_point(0, 1)
    for _ in range(2):
        dock.advanced.classes.click()
        wait()
    (layer,) = [each for each in viewer.layers if each.name.startswith("stack classes")]
    assert layer.name == "stack classes [1]"
    np.testing.assert_array_equal(layer.data, image[1] > 0.5)
    np.testing.assert_array_equal(layer.scale, (2, 3))
    assert "category 1" in dock.run.status.text()


def test_boxes_and_clicks_are_answered(viewer, dock, qtbot, discs):
    source = viewer.add_image(touching(discs), name="discs")
    edits = edit_session_of(dock.session, source)
    edits.shown.settings = SegmentSettings(model="bright", diameter=20)
    for request in (Request("box", (30, 30, 51, 49), ()), Request("click", (90.0, 90.0), ())):
        prompts_of(edits).ask(request)
    qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
    first, second = edits.result.plane(())
    assert first.mask[first.mask.shape[0] // 2, first.mask.shape[1] // 2]
    assert second.area == np.count_nonzero(touching(discs) == np.float32(0.8))
    edits.deactivate()
    dock.session.settle()


def test_images_of_a_project_are_predicted_ahead(viewer, unet, qtbot, discs, tmp_path):
    from napari_centermask.widgets.project.dock import ProjectDock

    place = tmp_path / "experiment"
    place.mkdir()
    for n in range(3):
        tifffile.imwrite(place / f"field {n}.tif", (touching(discs) * 255).astype(np.uint8))
    dock = ProjectDock(viewer)
    viewer.window.add_dock_widget(dock, name="Project")
    dock.open(place)
    dock.background.models.setCurrentText("bright")
    dock.session._last = SegmentSettings(model="bright", diameter=20.0)
    dock.background.wanted.setChecked(True)
    _, *later = [i.id for i in dock.project.images]
    qtbot.waitUntil(lambda: all(dock.images.status(id) == "predicted" for id in later), timeout=30_000)
    result = dock.project.result(later[0])
    assert len(result) == 3
    assert {c.source for c in result} == {"bright"}
    dock.background.wanted.setChecked(False)
    dock.images.stop_pictures()
    dock.session.close()
    qtbot.waitUntil(lambda: not dock.session.predictions.runner.is_running, timeout=20_000)
