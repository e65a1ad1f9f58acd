"""The run of a viewer: it belongs to one image, can be stopped, and says how it ended."""

from __future__ import annotations

import numpy as np

from napari_centermask.widgets.work import engine_cache


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


def test_a_blank_slice_does_not_stop_a_stack(viewer, dock, run_to_end, notices, discs):
    viewer.add_image(np.stack([discs(), np.zeros((128, 128), np.float32), discs()]), name="discs")
    run_to_end()
    assert [len(np.unique(p)) - 1 for p in viewer.layers["discs cells"].data] == [3, 0, 3]
    assert notices() == [
        "Skipped 1 of 3 planes; the others are done. Plane 1: It has no contrast: all its pixels are equal."
    ]


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


def test_why_the_gpu_is_not_used_is_said_with_the_result(viewer, dock, engine, run_to_end, discs, monkeypatch):
    def load_engine(files, *, say, **_):
        say("The GPU is not used; fake runs on the CPU instead.")
        return engine

    monkeypatch.setattr(engine_cache, "load_engine", load_engine)
    viewer.add_image(discs(), name="discs")
    said = []
    dock.session.run.reported.connect(said.append)
    run_to_end()
    assert said[-1].endswith("fake on cpu). The GPU is not used; fake runs on the CPU instead.")


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


def test_the_report_names_the_image_and_the_time_that_a_person_waited(viewer, dock, run_to_end, discs, monkeypatch):
    from types import SimpleNamespace

    from napari_centermask.widgets.viewer import run

    clock = iter([100.0, 107.5])  # when Run was pressed, and when the cells were there; the model is loaded in between
    monkeypatch.setattr(run, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    viewer.add_image(discs(), name="discs")
    assert dock.run.start.text() == "Run on discs"
    run_to_end()
    assert dock.run.status.text().startswith("discs: 3 cells in 7.5 s")
