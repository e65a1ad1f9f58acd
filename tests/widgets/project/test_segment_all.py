"""Many images of a project are segmented from the Segment dock, whatever becomes of single ones or of the run."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from project_cells import edits_of, statuses

from napari_centermask.io.project import Project
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.project.segment_all import RUN_NAME
from napari_centermask.widgets.segment.many import EVERY, NOT_REVIEWED, SELECTED, UNTOUCHED

SETTINGS = SegmentSettings(model="fake", score=0.3, diameter=20.0, percentiles=(0, 100), channels=[0])
USABLE = 5  # of the folder's six


@pytest.fixture
def many(project_dock, folder):
    """The run over the images of the open folder."""
    project_dock.open(folder)
    return project_dock.session.segment_all


@pytest.fixture
def wait(many, qtbot):
    def wait():
        qtbot.waitUntil(lambda: not many.runner.is_running, timeout=60_000)

    return wait


def count(many, choice, *, with_corrected=False):
    return many.state(with_corrected=with_corrected).counts[choice]


def accept_one(project, id):
    """A person accepts a cell."""
    from dataclasses import replace

    from napari_centermask.core.history import Change

    result = project.result(id)
    cell = next(iter(result.plane(())))
    project.history(id).do("accept", [Change((), cell.id, cell, replace(cell, status="accepted"))])


def test_untouched_images_are_segmented_as_predictions_and_a_bad_file_is_named(many, project_dock, wait, folder):
    (folder / "field 2.tif").write_bytes(b"II*\0 damaged since")
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    wait()
    state = many.state(with_corrected=False)
    assert statuses(project_dock)[:5] == ["predicted", "predicted", "untouched", "predicted", "predicted"]
    assert state.message.startswith("Done: ")
    assert "in 4 of 5 images" in state.message
    assert [any(f"field {n}.tif" in why for why in state.details) for n in range(6)] == [n in (2, 5) for n in range(6)]
    assert not (folder / RUN_NAME).exists()
    assert count(many, UNTOUCHED) == (1, 0)


def test_progress_is_of_each_image_and_of_all(many, wait, engine):
    seen = []
    many.runner.advanced.connect(lambda progress: seen.append((progress.part, progress.message)))
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    wait()
    assert [part for part, _ in seen] == sorted(part for part, _ in seen)
    assert any("field 3.tif (4 of 5): " in message for _, message in seen)


def test_images_with_corrected_cells_are_left_alone_unless_asked(many, project_dock, wait):
    many.start(EVERY, SETTINGS, with_corrected=False)
    wait()
    project = project_dock.project
    accept_one(project, 1)
    assert count(many, EVERY) == (USABLE - 1, 1)
    assert count(many, EVERY, with_corrected=True) == (USABLE, 0)
    n = len(project.result(1))
    many.start(EVERY, SETTINGS, with_corrected=True)
    wait()
    assert "in 5 of 5 images" in many.state(with_corrected=True).message
    assert [cell.status for cell in project.result(1)].count("accepted") == 1
    assert len(project.result(1)) == n


def test_the_selected_images_are_those_of_the_list(many, project_dock, wait):
    assert many.state(with_corrected=False).counts[SELECTED][0] <= 1
    project_dock.images.item(1).setSelected(True)
    project_dock.images.item(2).setSelected(True)
    assert set(many.selected) >= {2, 3}
    many.start(SELECTED, SETTINGS, with_corrected=False)
    wait()
    assert statuses(project_dock)[1:4] == ["predicted", "predicted", "untouched"]


class Gate(threading.Semaphore):
    """Lets the engine through for some tiles; `set` opens it."""

    def wait(self, timeout):
        return self.acquire(timeout=timeout)

    def set(self):
        self.release(1000)


def test_what_is_done_stays_after_a_cancel_and_going_on_does_the_rest(many, project_dock, engine, qtbot, wait, folder):
    engine.gate = Gate(2)  # each of the first images has one tile
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    qtbot.waitUntil(lambda: statuses(project_dock)[:2] == ["predicted"] * 2, timeout=60_000)
    many.cancel()
    engine.gate.set()
    wait()
    state = many.state(with_corrected=False)
    assert statuses(project_dock)[:5] == ["predicted"] * 2 + ["untouched"] * 3
    assert state.message.startswith("Cancelled: ")
    assert state.left == USABLE - 2
    many.go_on()
    wait()
    assert statuses(project_dock)[:5] == ["predicted"] * 5
    assert many.state(with_corrected=False).left == 0
    assert not (folder / RUN_NAME).exists()


def test_a_killed_run_goes_on_when_the_project_is_opened_again(many, project_dock, wait, folder):
    names = [image.file_name for image in project_dock.project.images if not image.problem]
    project_dock.session.close()
    command = {"settings": SETTINGS.model_dump(mode="json", exclude_unset=True), "images": names}
    lines = [{"command": command, "planned": []}, {"key": names[0], "value": {"cells": 3}}]
    killed = "".join(json.dumps(line) + "\n" for line in lines) + '{"key": "fiel'
    (folder / RUN_NAME).write_text(killed)
    project_dock.open(folder)
    assert many.state(with_corrected=False).left == USABLE - 1
    many.go_on()
    wait()
    assert statuses(project_dock)[:5] == ["untouched"] + ["predicted"] * 4  # the first one counted as done


def test_an_image_that_was_corrected_meanwhile_is_left_alone(many, project_dock, engine, qtbot, wait):
    project = project_dock.project
    engine.gate.clear()
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    assert engine.entered.wait(30)
    project.set_status(1, "in work")
    engine.gate.set()
    wait()
    assert len(project.result(1)) == 0
    assert "field 0.tif: you corrected it meanwhile, so it was left alone." in many.state(with_corrected=False).details


def test_what_is_being_painted_when_predictions_come_is_kept(many, project_dock, engine, wait):
    """Before the stroke is applied, the image does not count as corrected."""
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    wait()
    engine.gate.clear()
    engine.entered.clear()
    many.start(EVERY, SETTINGS.model_copy(update={"min_area": 10_000}), with_corrected=False)  # finds none
    assert engine.entered.wait(30)
    edits = edits_of(project_dock)
    cell = next(iter(edits.result.plane(())))
    edits.select([cell.id])
    edits.active.layer.data_setitem((np.array([cell.y0 - 1]), np.array([cell.x0 + 10])), 1)
    edits._later.stop()  # the answer comes in the same turn of the event loop
    engine.gate.set()
    wait()
    assert edits.result.get((), cell.id).status == "corrected"
    assert edits.result.get((), cell.id).area > cell.area
    assert statuses(project_dock)[0] == "in work"


@pytest.mark.parametrize("command", [{}, {"settings": {"gone": 1}}, {"settings": None}, {"settings": {"score": "x"}}])
def test_a_stopped_run_that_cannot_be_read_is_not_offered(many, folder, command):
    (folder / RUN_NAME).write_text(json.dumps({"command": command, "planned": []}) + "\n")
    assert many.state(with_corrected=False).left == 0


def test_a_run_over_no_image_says_so(many, folder):
    many.select(())
    many.start(SELECTED, SETTINGS, with_corrected=False)
    assert not many.runner.is_running
    assert many.state(with_corrected=False).message == "There was no image to segment."
    assert not (folder / RUN_NAME).exists()


def test_predictions_are_in_the_project_after_a_crash(many, project_dock, wait, folder):
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    wait()
    n = len(project_dock.project.result(1))
    project_dock.project._lock.release()  # what the end of a killed process does
    with Project.open(folder) as again:
        assert len(again.result(1)) == n > 0
        assert again.status(1) == "predicted"


def test_predictions_are_cleared_as_one_edit_of_each_image_and_come_back(many, project_dock, wait):
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    wait()
    project = project_dock.project
    accept_one(project, 2)
    before = [len(project.result(id)) for id in (1, 2)]
    many.clear(NOT_REVIEWED)
    assert [len(project.result(id)) for id in (1, 2)] == [0, 1]
    assert statuses(project_dock)[:2] == ["untouched", "in work"]
    for id in (1, 2):
        assert project.history(id).undo() is not None
    assert [len(project.result(id)) for id in (1, 2)] == before
    assert statuses(project_dock)[:2] == ["predicted", "in work"]


def test_a_closed_project_stops_its_run(many, project_dock, engine, qtbot, wait):
    engine.gate.clear()
    many.start(UNTOUCHED, SETTINGS, with_corrected=False)
    assert engine.entered.wait(30)
    project_dock.session.close()
    engine.gate.set()
    wait()
    assert many.state(with_corrected=False).project == ""


def test_a_stopped_run_does_not_go_on_with_a_model_that_was_trained_again(many, project_dock, folder, monkeypatch):
    names = [image.file_name for image in project_dock.project.images if not image.problem]
    command = {
        "settings": SETTINGS.model_dump(mode="json", exclude_unset=True),
        "images": names,
        "model": [["a", [1, 1]]],
    }
    (folder / RUN_NAME).write_text(json.dumps({"command": command, "planned": []}) + "\n")
    assert many.state(with_corrected=False).left == 0


def test_the_dock_segments_a_folder_and_shows_what_comes(dock, viewer, project_dock, folder, qtbot):
    """The whole way of the button: the folder becomes a project, its images are segmented, the list follows."""
    dock._open_project = lambda: None  # it is open
    dock.model.diameter.setValue(20)
    dock.image.channels.set_value([0])
    dock.many.segment_folder(folder)
    many = project_dock.session.segment_all
    qtbot.waitUntil(lambda: not many.runner.is_running, timeout=60_000)
    assert statuses(project_dock)[:4] == ["predicted"] * 4
    box = dock.many.box
    assert not box.project.isHidden()
    assert "field 5.tif" in box.status.toolTip()
    dock.image.layers.layer = project_dock.session.layer
    qtbot.waitUntil(lambda: dock.cells.count.text().startswith("<b>3</b>"), timeout=30_000)
    assert dock.cells.clear.isEnabled()
    dock.cells.clear.click()
    assert project_dock.project.status(project_dock.session.current) == "untouched"
    qtbot.waitUntil(lambda: dock.cells.count.text().startswith("<b>0</b>"), timeout=30_000)
