"""The CenterMask dock with a small engine: what the user does, and what the viewer shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_centermask import widgets


def cells_of(viewer, name="discs"):
    return viewer.layers[f"{name} cells"]


def test_run_shows_cells_outlines_and_a_table(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs", scale=(2, 3), translate=(5, 7))
    run_to_end()
    cells, outlines = cells_of(viewer), viewer.layers["discs outlines"]
    assert sorted(np.unique(cells.data)) == [0, 1, 2, 3]
    assert cells.data.dtype == np.uint16
    assert outlines.data.dtype == np.uint8
    for layer in (cells, outlines):
        assert not layer.editable
        np.testing.assert_array_equal(layer.scale, (2, 3))
        np.testing.assert_array_equal(layer.translate, (5, 7))
    table = cells.features
    assert list(table["index"]) == [1, 2, 3]
    assert {"id", "category", "score", "mask_quality", "area"} <= set(table.columns)
    for row in table.itertuples():
        assert row.area == np.count_nonzero(cells.data == row.index)
    assert "3 cells" in dock.run.status.text()


def test_moving_the_threshold_hides_cells_without_a_new_run(viewer, dock, engine, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    calls = engine.calls
    dock.cells.score._slider.setValue(70)
    assert len(np.unique(cells_of(viewer).data)) - 1 == 2
    dock.cells.score._slider.setValue(40)
    assert len(np.unique(cells_of(viewer).data)) - 1 == 3
    assert engine.calls == calls
    assert "<b>3</b>" in dock.cells.count.text()


def test_an_image_whose_cells_are_all_drawn_is_run_with_the_models_score(viewer, dock, run_to_end, discs):
    """Images of a project have an empty result before the first run; what is drawn by hand is no threshold either."""
    from napari_centermask.core.instances import Instance, Instances
    from napari_centermask.widgets.viewer.planes import ImagePlanes

    wanted = dock.cells.score.value()
    assert wanted > 0
    for scope in ("plane", "region"):
        layer = viewer.add_image(discs(values=(1.0, 0.8, 0.35)), name=scope)
        shown = dock.session.attach(layer, ImagePlanes.of(layer))
        assert dock.cells.score.value() == wanted
        shown.result.put((), Instances((128, 128), [Instance(0, 5, 5, np.ones((4, 4), bool), status="corrected")]))
        dock.session.changed.emit(layer)
        assert dock.cells.score.value() == wanted
        dock.image.scope.setCurrentIndex(dock.image.scope.findData(scope))
        viewer.add_shapes([[[0, 0], [127, 127]]], shape_type="rectangle")
        run_to_end()
        assert dock.session.result(layer).threshold == wanted
        assert dock.session.result(layer).n_visible() == 3
        assert len(dock.session.result(layer)) == 4


def test_a_cell_keeps_its_label_when_the_threshold_moves(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    before = cells_of(viewer).data.copy()
    for value in (90, 50, 65, 40):
        dock.cells.score._slider.setValue(value)
    np.testing.assert_array_equal(cells_of(viewer).data, before)


def test_the_event_loop_turns_while_the_network_runs(viewer, dock, engine, qtbot, discs):
    from napari.utils import progress
    from qtpy.QtCore import QTimer

    viewer.add_image(discs(), name="discs")
    engine.gate.clear()
    ticks = []
    timer = QTimer()
    timer.setInterval(1)

    def tick():
        if engine.entered.is_set():
            ticks.append(len(ticks))
        if len(ticks) == 50:
            engine.gate.set()  # only the GUI thread opens the gate: a blocked loop would never end the run

    timer.timeout.connect(tick)
    timer.start()
    dock.run.start.click()
    assert [bar.desc.rstrip(": ") for bar in progress._all_instances] == ["CenterMask: discs"]  # napari's activity dock
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=30_000)
    timer.stop()
    assert len(ticks) >= 50
    assert not progress._all_instances
    assert "discs cells" in viewer.layers


def test_cancel_stops_after_the_present_tile(viewer, dock, engine, qtbot, discs):
    centres = [(y, x) for y in range(30, 500, 60) for x in range(30, 500, 60)]
    viewer.add_image(discs(centres, shape=(512, 512), values=[1.0] * len(centres)), name="discs")
    dock.advanced.form.set_value({"tile": 128, "overlap": 32})
    engine.gate.clear()
    dock.run.start.click()
    qtbot.waitUntil(engine.entered.is_set, timeout=10_000)
    assert dock.run.cancel.isEnabled()
    dock.run.cancel.click()
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert engine.calls == 1
    assert "discs cells" not in viewer.layers
    assert dock.run.status.text() == "Cancelled."
    assert dock.run.start.isEnabled()


def test_the_result_knows_the_seams_of_its_tiles(viewer, dock, run_to_end, discs):
    layer = viewer.add_image(discs(shape=(300, 128)), name="discs")
    dock.advanced.form.set_value({"tile": 128, "overlap": 32})
    run_to_end()
    ys, xs = dock.session.result(layer).seams[()]
    assert len(ys) >= 2
    assert all(0 < y < 300 for y in ys)
    assert xs == ()


def test_the_result_belongs_to_the_image_of_the_start(viewer, dock, engine, qtbot, discs):
    viewer.add_image(discs(), name="discs")
    engine.gate.clear()
    dock.run.start.click()
    viewer.add_image(np.random.default_rng(0).random((64, 64)), name="other")
    assert dock.source.name == "other"
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert "discs cells" in viewer.layers
    assert "other cells" not in viewer.layers
    assert "Run to see" in dock.cells.count.text()
    dock.image.layers.layer = viewer.layers["discs"].__wrapped__
    assert "<b>3</b>" in dock.cells.count.text()


def test_removing_the_image_during_a_run_gives_one_notification(viewer, dock, engine, qtbot, discs, notices):
    viewer.add_image(discs(), name="discs")
    engine.gate.clear()
    dock.run.start.click()
    qtbot.waitUntil(engine.entered.is_set, timeout=10_000)
    viewer.layers.remove("discs")
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert len(viewer.layers) == 0
    assert len(notices()) == 1
    assert "'discs' was removed" in notices()[0]


def test_all_slices_of_a_stack_get_their_own_cells(viewer, dock, run_to_end, discs):
    stack = np.stack([discs(), discs([(60, 60)], values=[1.0]), discs()])
    viewer.add_image(stack, name="discs")
    assert dock.image.scope.currentData() == "all"
    run_to_end()
    cells = cells_of(viewer).data
    assert cells.shape == stack.shape
    assert [len(np.unique(p)) - 1 for p in cells] == [3, 1, 3]
    assert sorted(np.unique(cells)) == list(range(8))  # labels are unique over the stack
    assert list(cells_of(viewer).features["plane"]) == ["0", "0", "0", "1", "2", "2", "2"]


def test_the_threshold_reaches_every_slice(viewer, dock, run_to_end, qtbot, discs):
    viewer.add_image(np.stack([discs()] * 12), name="discs")
    run_to_end()
    dock.cells.score._slider.setValue(70)
    qtbot.waitUntil(lambda: not dock.session._upkeep._composing.isActive(), timeout=10_000)
    assert [len(np.unique(p)) - 1 for p in cells_of(viewer).data] == [2] * 12


def test_one_slice_can_be_added_to_a_stack(viewer, dock, run_to_end, discs):
    viewer.add_image(np.stack([discs()] * 3), name="discs")
    dock.image.scope.setCurrentIndex(dock.image.scope.findData("plane"))
    for plane, expected in ((0, [3, 0, 0]), (2, [3, 0, 3])):
        viewer.dims.set_current_step(0, plane)
        run_to_end()
        assert [len(np.unique(p)) - 1 for p in cells_of(viewer).data] == expected
    assert [x.name for x in viewer.layers] == ["discs", "discs cells", "discs outlines"]


def test_rgb_images_run_with_all_or_with_one_channel(viewer, dock, engine, run_to_end, discs):
    image = np.stack([discs()] * 3, axis=-1)
    viewer.add_image((image * 255).astype(np.uint8), name="discs", rgb=True)
    run_to_end()
    assert cells_of(viewer).data.shape == image.shape[:2]
    dock.image.channels.set_value([1])
    assert dock.value().channels == [1]
    run_to_end()
    assert len(np.unique(cells_of(viewer).data)) == 4


def test_a_channel_axis_is_not_a_stack(viewer, dock, run_to_end, discs):
    image = np.stack([np.zeros((128, 128), np.float32), discs()])
    viewer.add_image(np.stack([image] * 4, axis=0), name="discs", axis_labels=("t", "c", "y", "x"))
    assert dock.image.channel_axis == 1
    dock.image.channels.set_value([1])
    run_to_end()
    cells = cells_of(viewer).data
    assert cells.shape == (4, 2, 128, 128)
    assert [len(np.unique(p)) - 1 for p in cells[:, 0]] == [3] * 4
    np.testing.assert_array_equal(cells[:, 0], cells[:, 1])


def test_multiscale_and_dask_images_run_at_full_resolution(viewer, dock, run_to_end, discs):
    import dask.array as da

    image = discs()
    viewer.add_image([da.from_array(image), da.from_array(image[::2, ::2])], name="discs", multiscale=True)
    run_to_end()
    assert cells_of(viewer).data.shape == (128, 128)
    assert len(np.unique(cells_of(viewer).data)) == 4


def test_a_drawn_region_replaces_only_cells_centred_in_it(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs", scale=(2, 2))
    run_to_end()
    before = cells_of(viewer).data.copy()
    dock.image.scope.setCurrentIndex(dock.image.scope.findData("region"))
    assert dock.image.draw.isVisibleTo(dock)
    dock.image.draw.click()
    region = viewer.layers["region"]
    region.add_rectangles(np.array([(0, 0), (0, 60), (60, 60), (60, 0)]))
    run_to_end()
    after = cells_of(viewer).data
    assert set(np.unique(after)) == {0, 2, 3, 4}
    np.testing.assert_array_equal(after > 0, before > 0)


def test_a_region_without_shapes_gives_one_notification(viewer, dock, run_to_end, discs, notices):
    viewer.add_image(discs(), name="discs")
    dock.image.scope.setCurrentIndex(dock.image.scope.findData("region"))
    run_to_end()
    assert len(notices()) == 1
    assert "Draw" in notices()[0]


def test_the_estimate_fills_the_diameter(viewer, dock, qtbot, discs):
    viewer.add_image(discs(), name="discs")
    dock.model.diameter.setValue(0)
    assert not dock.model.circle.isEnabled()
    dock.model.estimate.click()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert dock.model.diameter.value() == pytest.approx(20, abs=2.5)


def test_the_estimate_of_a_stack_is_that_of_its_run(viewer, dock, run_to_end, qtbot, discs):
    layer = viewer.add_image(np.stack([discs(radius=r) for r in (14, 6, 14)]), name="discs")
    dock.model.diameter.setValue(0)
    run_to_end()
    dock.model.estimate.click()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert dock.session.shown(layer).diameter == pytest.approx(28, abs=3)
    assert dock.model.diameter.value() == pytest.approx(dock.session.shown(layer).diameter, abs=0.1)


def test_an_automatic_diameter_stays_automatic_for_the_next_image(viewer, dock, run_to_end, discs):
    layer = viewer.add_image(discs(), name="discs")
    dock.model.diameter.setValue(0)
    run_to_end()
    shown = dock.session.shown(layer)
    assert shown.diameter == pytest.approx(20, abs=2.5)
    assert shown.settings.diameter is None


def test_the_circle_has_the_diameter_in_pixels_of_the_image(viewer, dock, discs):
    viewer.add_image(discs(), name="discs", scale=(0.5, 0.5))
    dock.model.diameter.setValue(24)
    dock.model.circle.setChecked(True)
    circle = viewer.layers["cell diameter"]
    np.testing.assert_allclose(np.ptp(circle.data[0], axis=0), (24, 24))
    np.testing.assert_array_equal(circle.scale, (0.5, 0.5))
    dock.model.diameter.setValue(40)
    np.testing.assert_allclose(np.ptp(viewer.layers["cell diameter"].data[0], axis=0), (40, 40))
    dock.model.circle.setChecked(False)
    assert "cell diameter" not in viewer.layers


def test_the_active_layer_stays_when_results_come(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    assert viewer.layers.selection.active.name == "discs"


def test_deleting_the_cells_ends_the_result(viewer, dock, run_to_end, discs, qtbot):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    viewer.layers.remove("discs cells")
    qtbot.waitUntil(
        lambda: [x.name for x in viewer.layers] == ["discs"], timeout=5000
    )  # once napari's removal has ended
    assert "Run to see" in dock.cells.count.text()
    dock.cells.score._slider.setValue(70)
    run_to_end()
    assert "discs cells" in viewer.layers


def test_deleted_outlines_come_back_with_the_next_run(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    viewer.layers.remove("discs outlines")
    dock.cells.score._slider.setValue(70)
    assert len(np.unique(cells_of(viewer).data)) - 1 == 2
    run_to_end()
    assert [x.name for x in viewer.layers] == ["discs", "discs cells", "discs outlines"]


def test_colours_by_category_and_by_score(viewer, dock, run_to_end, discs):
    viewer.add_image(discs(), name="discs")
    run_to_end()
    cells = cells_of(viewer)
    dock.cells.colours.setCurrentIndex(1)
    by_category = cells.colormap.map(np.array([1, 2, 3]))
    np.testing.assert_array_equal(by_category[0], by_category[2])
    dock.cells.colours.setCurrentIndex(2)
    by_score = cells.colormap.map(np.array([1, 2, 3]))
    assert not np.array_equal(by_score[0], by_score[2])
    dock.cells.outlines.setChecked(False)
    assert not viewer.layers["discs outlines"].visible


def test_settings_survive_the_way_through_the_form(dock):
    from napari_centermask.settings import SegmentSettings

    settings = SegmentSettings(
        model="fake",
        score=0.62,
        diameter=31.5,
        tile=512,
        overlap=64,
        engine="onnx",
        nms=0.5,
        percentiles=(0.5, 99.0),
        min_area=20,
        max_detections=300,
    )
    dock.set_value(settings)
    assert dock.value() == settings


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((64, 64), np.nan, np.float32), "NaN"),
        (np.where(np.eye(64) > 0, np.inf, 0.5).astype(np.float32), "infinite"),
        (np.full((64, 64), 7, np.uint8), "contrast"),
        (np.ones((1, 1), np.float32), "1 x 1"),
    ],
)
def test_a_bad_image_gives_one_notification_and_leaves_the_dock_working(
    viewer, dock, run_to_end, notices, discs, image, words
):
    viewer.add_image(image, name="bad")
    run_to_end()
    assert len(notices()) == 1
    assert words in notices()[0]
    assert [x.name for x in viewer.layers] == ["bad"]
    viewer.add_image(discs(), name="discs")
    run_to_end()
    assert "discs cells" in viewer.layers
    assert len(notices()) == 1


def test_five_channels_for_a_model_of_three_name_the_remedy(viewer, dock, run_to_end, notices, discs):
    viewer.add_image(np.stack([discs()] * 5), name="discs", axis_labels=("c", "y", "x"))
    run_to_end()
    assert len(notices()) == 1
    assert "1 or 3 channels" in notices()[0]
    assert "Channels" in notices()[0]
    dock.image.channels.set_value([2])
    run_to_end()
    assert "discs cells" in viewer.layers


def test_a_blank_slice_does_not_stop_a_stack(viewer, dock, run_to_end, notices, discs):
    viewer.add_image(np.stack([discs(), np.zeros((128, 128), np.float32), discs()]), name="discs")
    run_to_end()
    assert [len(np.unique(p)) - 1 for p in cells_of(viewer).data] == [3, 0, 3]
    assert len(notices()) == 1
    assert "1 of 3 planes" in notices()[0]


def test_no_image_and_a_label_layer_disable_run_and_notify_when_asked(viewer, dock, notices):
    assert not dock.run.start.isEnabled()
    assert "no image layer" in dock.run.start.toolTip()
    viewer.add_labels(np.eye(16, dtype=np.uint8), name="mine")
    assert not dock.run.start.isEnabled()
    dock.start()
    assert len(notices()) == 1
    assert "'mine' is a Labels layer" in notices()[0]


def test_torch_is_refused_with_a_remedy(viewer, dock, engine, run_to_end, notices, discs, monkeypatch):
    from napari_centermask.widgets.work import engine_cache

    monkeypatch.setattr(engine_cache, "find_spec", lambda name: None)
    viewer.add_image(discs(), name="discs")
    run_to_end()
    assert len(notices()) == 1
    assert "pip install openvino" in notices()[0]


def test_a_closed_dock_does_not_stop_its_run(viewer, dock, engine, qtbot, discs):
    viewer.add_image(discs(), name="discs")
    engine.gate.clear()
    dock.run.start.click()
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert "discs cells" in viewer.layers


def test_docks_do_not_import_torch(dock):
    assert not {"torch", "torchvision"} & set(sys.modules)


def test_importing_the_widgets_imports_no_runtime():
    folder = Path(widgets.__file__).parent
    names = [".".join(p.relative_to(folder).with_suffix("").parts) for p in folder.rglob("[a-z]*.py")]
    code = "import sys\n" + "\n".join(f"import napari_centermask.widgets.{name}" for name in names)
    code += "\nprint(*({'torch', 'torchvision', 'onnxruntime', 'openvino', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(names) > 50
    assert done.stdout.strip() == ""


def test_without_a_model_run_says_how_to_add_one(viewer, discs, monkeypatch):
    from napari_centermask.models.store import zoo
    from napari_centermask.widgets.segment.dock import SegmentDock

    monkeypatch.setattr(zoo, "list_models", list)
    viewer.add_image(discs(), name="discs")
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.run.start.isEnabled()
    assert "models add" in dock.run.start.toolTip()
    assert "No model" in dock.model.about.text()


def test_closing_the_viewer_during_a_run_stops_it(make_napari_viewer_proxy, engine, qtbot, discs):
    from napari_centermask.widgets.segment.dock import SegmentDock

    viewer = make_napari_viewer_proxy()
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock)
    runner = dock.session.runner
    viewer.add_image(discs(shape=(512, 512)), name="discs")
    dock.model.diameter.setValue(20)
    dock.advanced.form.set_value({"tile": 128, "overlap": 32})
    engine.gate.clear()
    dock.start()
    qtbot.waitUntil(engine.entered.is_set, timeout=10_000)
    viewer.close()
    engine.gate.set()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=10_000)
    assert engine.calls == 1


def test_a_fault_of_the_runtime_becomes_one_notification(viewer, dock, engine, run_to_end, notices, discs, monkeypatch):
    def fail(tiles):
        raise RuntimeError("Exception from src/inference\nmore lines")

    viewer.add_image(discs(), name="discs")
    with monkeypatch.context() as patch:
        patch.setattr(engine, "features", fail)
        run_to_end()
    assert len(notices()) == 1
    assert "could not run: Exception from src/inference. Choose another engine" in notices()[0]
    run_to_end()
    assert "discs cells" in viewer.layers


def test_two_viewers_run_at_once(make_napari_viewer_proxy, engine, qtbot, discs):
    from napari_centermask.widgets.segment.dock import SegmentDock

    docks = []
    for _ in range(2):
        viewer = make_napari_viewer_proxy()
        docks.append(SegmentDock(viewer))
        viewer.window.add_dock_widget(docks[-1])
        viewer.add_image(discs(), name="discs")
    assert docks[0].session is not docks[1].session
    for dock in docks:
        dock.run.start.click()
    qtbot.waitUntil(lambda: not any(d.session.runner.is_running for d in docks), timeout=30_000)
    assert [d.session.result(d.source).n_visible() for d in docks] == [3, 3]
