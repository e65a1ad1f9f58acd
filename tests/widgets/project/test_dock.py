"""The project dock: a folder of images, from opening to the last saved edit."""

import json
import shutil
import threading

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_centermask.core.errors import BadProject
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.images import read_image
from napari_centermask.io.project import Project
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.review import select_next
from napari_centermask.widgets.project import loading
from napari_centermask.widgets.project.image_list import small
from napari_centermask.widgets.project.predictions import Predictions


@pytest.fixture
def folder(tmp_path, discs):
    """Five images of discs of different sizes, one of them a stack, one with channels, and one damaged."""
    place = tmp_path / "experiment"
    place.mkdir()
    for n, values in enumerate([(1.0, 0.8, 0.6), (0.9, 0.7, 0.5), (0.8, 0.6, 0.9)]):
        image = discs(values=values, shape=(128, 128 + 16 * n))
        tifffile.imwrite(place / f"field {n}.tif", (image * 255).astype(np.uint8))
    stack = np.stack([discs(), discs()])
    tifffile.imwrite(place / "field 3.tif", (stack * 255).astype(np.uint8), imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(place / "field 4.tif", (stack * 255).astype(np.uint8), imagej=True, metadata={"axes": "CYX"})
    (place / "field 5.tif").write_bytes(b"II*\0 nothing")
    return place


@pytest.fixture
def project_dock(viewer, engine, qtbot):
    from napari_centermask.widgets.project.dock import ProjectDock

    dock = ProjectDock(viewer)
    viewer.window.add_dock_widget(dock, name="CenterMask: Project")
    yield dock
    engine.gate.set()
    dock.images.stop_pictures()
    dock.session.close()
    qtbot.waitUntil(lambda: not dock.session.predictions.runner.is_running, timeout=20_000)


def ids(dock):
    return {i.file_name: i.id for i in dock.project.images}


def statuses(dock):
    return [dock.images.status(i.id) for i in dock.project.images]


def cell(y=20, x=20, size=10, **fields):
    return Instance(0, y, x, np.ones((size, size), bool), **fields)


def edits_of(dock):
    return edit_session_of(dock.session.session, dock.session.layer)


def test_a_folder_of_images_becomes_a_project_and_its_first_image_is_shown(viewer, project_dock, folder):
    assert not project_dock.head.save.isEnabled()
    assert "Open a folder" in project_dock.head.save.toolTip()
    project_dock.open(folder)
    assert project_dock.images.count() == 6
    assert statuses(project_dock)[:5] == ["untouched"] * 5
    assert project_dock.head.name.text() == "<b>experiment</b>"
    assert [layer.name for layer in viewer.layers][0] == "field 0"
    assert project_dock.navigation.count.text() == "0 of 6 images reviewed"
    assert project_dock.images.currentRow() == 0


def test_the_samples_become_a_project_and_what_is_there_stays(project_dock, tmp_path, monkeypatch, notices):
    assert not project_dock.head.samples.isHidden()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    project_dock.head.samples.click()
    assert [i.file_name for i in project_dock.project.images][0] == "1 overlapping (semi-synthetic).png"
    assert len(project_dock.project.images) == 4
    assert not any(i.problem for i in project_dock.project.images)
    assert (tmp_path / "CenterMask samples" / "ATTRIBUTION.md").exists()
    assert project_dock.head.samples.isHidden()
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.session.close()
    project_dock.head.samples.click()
    assert len(edits_of(project_dock).result) == 1
    project_dock.session.close()
    (tmp_path / "file").touch()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "file"))
    project_dock.head.samples.click()
    assert "Choose another folder" in notices()[-1]


def test_a_folder_without_a_project_is_refused_with_a_message(project_dock, tmp_path, notices):
    project_dock.open(tmp_path / "nowhere")
    assert project_dock.project is None
    assert "choose a folder" in notices()[-1].lower()


def test_thumbnails_come_by_themselves(project_dock, folder, qtbot):
    project_dock.open(folder)
    damaged = ids(project_dock)["field 5.tif"]
    qtbot.waitUntil(lambda: project_dock.images.without_picture() == [damaged], timeout=10_000)


def test_going_through_images_takes_the_cells_along(viewer, project_dock, folder):
    project_dock.open(folder)
    edits = edits_of(project_dock)
    made = edits.add(np.ones((9, 9), bool), (40, 40))
    assert statuses(project_dock)[0] == "in work"
    project_dock.navigation.next.click()
    assert viewer.layers[0].name == "field 1"
    assert not any(layer.name.startswith("field 0") for layer in viewer.layers)
    project_dock.navigation.previous.click()
    assert viewer.layers[0].name == "field 0"
    again = edits_of(project_dock)
    assert again.result.get((), made.id).equals(made)
    again.undo()
    assert len(again.result) == 0


def test_what_is_painted_is_kept_when_the_image_changes(viewer, project_dock, folder):
    project_dock.open(folder)
    edits = edits_of(project_dock)
    edits.activate()
    edits.active.layer.data_setitem((np.array([5, 5, 6]), np.array([5, 6, 5])), 1)
    project_dock.navigation.next.click()
    result = project_dock.project.result(ids(project_dock)["field 0.tif"])
    assert [c.area for c in result] == [3]


def test_stacks_and_channels_open_with_their_axes(viewer, project_dock, folder):
    project_dock.open(folder)
    project_dock.show_image(ids(project_dock)["field 3.tif"])
    edits = edits_of(project_dock)
    assert (edits.planes.leading, edits.planes.n_channels) == ((2,), 1)
    project_dock.show_image(ids(project_dock)["field 4.tif"])
    edits = edits_of(project_dock)
    assert (edits.planes.leading, edits.planes.n_channels) == ((), 2)


def test_an_image_that_cannot_be_used_is_skipped_and_says_why(project_dock, folder, notices):
    project_dock.open(folder)
    project_dock.show_image(ids(project_dock)["field 4.tif"])
    assert not project_dock.navigation.next.isEnabled()
    project_dock.images.picked.emit(ids(project_dock)["field 5.tif"])
    assert "field 5.tif" in notices()[-1]
    assert project_dock.session.current == ids(project_dock)["field 4.tif"]


def test_reviewed_marks_the_image_and_continues(project_dock, folder):
    project_dock.open(folder)
    project_dock.project.set_status(ids(project_dock)["field 1.tif"], "reviewed")
    project_dock.navigation.done.click()
    assert statuses(project_dock)[:3] == ["reviewed", "reviewed", "untouched"]
    assert project_dock.session.current == ids(project_dock)["field 2.tif"]
    first = project_dock.project.result(ids(project_dock)["field 0.tif"])
    assert first.reviewed(()) == ((0, 0, 128, 128),)


def test_save_writes_the_cells_and_the_journal_starts_anew(project_dock, folder, notices):
    project_dock.open(folder)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.head.save.click()
    assert notices()[-1] == "Saved experiment."
    data = json.loads((folder / "annotations.json").read_text())
    assert [a["bbox"] for a in data["annotations"]] == [[40, 40, 9, 9]]


def test_edits_of_a_session_that_was_killed_are_offered(viewer, project_dock, folder):
    killed = folder.parent / "killed"
    with Project.open(folder) as project:
        project.save()
        history = project.history(1)
        new = cell()
        id = history.result.new_id()
        history.do("new", [Change((), id, None, Instance(id, new.y0, new.x0, new.mask))])
        project._journal.sync()
        shutil.copytree(folder, killed)
    (killed / ".lock").unlink(missing_ok=True)
    project_dock.open(killed)
    assert "1 edit was recovered" in project_dock.message.text.text()
    assert len(project_dock.project.result(1)) == 1
    _keep, back = project_dock.message.buttons
    back.click()
    assert len(project_dock.project.result(1)) == 0
    assert project_dock.message.isHidden()


def test_a_second_window_reads_only_and_says_so(project_dock, folder):
    with Project.open(folder) as first:
        first.save()
        project_dock.open(folder)
        assert project_dock.project.read_only
        assert project_dock.message.text.text() == project_dock.project.read_only
        own, categories = project_dock, project_dock.categories
        for button in (own.head.save, own.navigation.done, own.head.add, own.background.wanted, categories.add):
            assert not button.isEnabled()
            assert button.toolTip() == project_dock.project.read_only
        assert project_dock.head.export.isEnabled()
        edits, messages = edits_of(project_dock), []
        notification_manager.notification_ready.connect(messages.append)
        edits.active.layer.paint((40, 40), 1)
        edits.flush()
        notification_manager.notification_ready.disconnect(messages.append)
        assert [n.message for n in messages] == [project_dock.project.read_only]
        assert len(edits.result) == 0
        assert not np.asarray(edits.active.layer.data).any()


def test_files_changed_outside_are_not_overwritten_silently(project_dock, folder):
    project_dock.open(folder)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.save()
    path = folder / "annotations.json"
    foreign = json.dumps({**json.loads(path.read_text()), "annotations": []})
    path.write_text(foreign)
    edits_of(project_dock).add(np.ones((9, 9), bool), (80, 40))
    assert not project_dock.save()
    assert path.read_text() == foreign
    assert [b.text() for b in project_dock.message.buttons] == ["Load theirs", "Replace theirs", "Not now"]
    project_dock.message.buttons[1].click()
    assert len(json.loads(path.read_text())["annotations"]) == 2
    assert any("changed outside" in p.name for p in folder.iterdir())


def test_categories_are_edited_and_mistakes_explained(project_dock, folder):
    project_dock.open(folder)
    box = project_dock.categories
    box.name.setText("mitotic")
    box.add.click()
    assert project_dock.project.categories[2].name == "mitotic"
    assert edits_of(project_dock).result.categories == {1: "cell", 2: "mitotic"}
    box.lines[2][1].setText("cell")
    box.lines[2][1].editingFinished.emit()
    assert project_dock.project.categories[2].name == "mitotic"
    assert "already called" in box.problem.text()
    box.lines[2][3].click()
    assert list(project_dock.project.categories) == [1]
    box.lines[1][3].click()
    assert "This is the only category" in box.problem.text()


def test_a_categorys_colour_is_that_of_its_outlines(viewer, project_dock, folder):
    project_dock.open(folder)
    edits = edits_of(project_dock)
    edits.add(np.ones((9, 9), bool), (40, 40))
    category = project_dock.project.categories[1]
    project_dock.categories.edited.emit(1, type(category)(category.name, "#123456", "Control-1"))
    colour = edits.shown.layers.outlines.colormap.color_dict[1]
    np.testing.assert_allclose(colour[:3], np.array([0x12, 0x34, 0x56]) / 255, atol=1e-6)


def test_the_next_images_are_predicted_in_the_background(project_dock, folder, qtbot):
    project_dock.open(folder)
    project_dock.session._last = SegmentSettings(model="fake", score=0.3, diameter=20.0, percentiles=(0, 100))
    project_dock.background.wanted.setChecked(True)
    wanted = ["untouched", "predicted", "predicted", "predicted", "untouched"]
    qtbot.waitUntil(lambda: statuses(project_dock)[:5] == wanted, timeout=20_000)
    assert project_dock.background.status.text() == ""
    result = project_dock.project.result(ids(project_dock)["field 1.tif"])
    assert result.n_visible() == 3
    assert {c.source for c in result} == {"fake"}
    project_dock.navigation.next.click()
    assert len(edits_of(project_dock).result) == 3
    qtbot.waitUntil(
        lambda: project_dock.background.status.text().startswith("field 4.tif was left out"), timeout=20_000
    )
    assert statuses(project_dock)[4] == "untouched"


def test_an_image_that_was_opened_meanwhile_is_left_alone(project_dock, folder, engine, qtbot):
    project_dock.open(folder)
    project_dock.session._last = SegmentSettings(model="fake", score=0.3, diameter=20.0, percentiles=(0, 100))
    engine.gate.clear()
    project_dock.background.wanted.setChecked(True)
    qtbot.waitUntil(engine.entered.is_set, timeout=10_000)
    assert "field 1" in project_dock.background.status.text()
    project_dock.navigation.next.click()
    project_dock.background.wanted.setChecked(False)
    engine.gate.set()
    qtbot.waitUntil(lambda: not project_dock.session.predictions.runner.is_running, timeout=10_000)
    assert statuses(project_dock)[1] == "untouched"


def test_closing_saves_and_lets_another_window_write(project_dock, folder):
    project_dock.open(folder)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.session.close()
    assert project_dock.project is None
    assert project_dock.images.count() == 0
    with Project.open(folder) as project:
        assert not project.read_only
        assert project.recovered == 0
        assert len(project.result(1)) == 1


def test_the_list_takes_no_focus_and_clicks_pick(project_dock, folder, qtbot):
    project_dock.open(folder)
    project_dock.show()
    at = project_dock.images.visualItemRect(project_dock.images.item(2)).center()
    QTest.mouseClick(project_dock.images.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert project_dock.session.current == ids(project_dock)["field 2.tif"]
    assert project_dock.images.focusPolicy() == Qt.FocusPolicy.NoFocus


def test_the_export_is_checked_first_and_goes_to_what_it_finds(project_dock, folder, qtbot):
    from napari_centermask.widgets.project.export_dialog import ExportDialog

    project_dock.open(folder)
    second = ids(project_dock)["field 1.tif"]
    twins = Instances((128, 144), [cell(score=0.9), cell(x=21, score=0.9)])
    project_dock.project.set_predictions(second, twins, model="m")
    dialog = ExportDialog(project_dock.project)
    qtbot.addWidget(dialog)
    titles = [dialog.tree.topLevelItem(n).text(0) for n in range(dialog.tree.topLevelItemCount())]
    assert titles == ["Duplicate (1)", "Not reviewed (2)"]
    dialog.split.setChecked(True)
    dialog.parts[0].setValue(50)
    assert not dialog.start.isEnabled()
    assert "The split adds up to 80 %" in dialog.problem.text()
    dialog.parts[1].setValue(50)
    dialog.parts[2].setValue(0)
    assert dialog.splits() == {"train": 0.5, "val": 0.5}
    dialog.tree.itemDoubleClicked.emit(dialog.tree.topLevelItem(0).child(0), 0)
    project_dock.look_at(*dialog.wanted)
    assert project_dock.session.current == second
    assert edits_of(project_dock).selected == tuple(sorted(c.id for c in edits_of(project_dock).result))


def test_a_failing_project_leaves_the_open_one(project_dock, folder, tmp_path, notices):
    project_dock.open(folder)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "project.json").write_text("{")
    project_dock.open(broken)
    assert project_dock.project.folder == folder
    with pytest.raises(BadProject):
        project_dock.session.open(broken)
    assert project_dock.session.current


def test_pictures_are_small_and_stretched():
    ramp = np.linspace(100, 4000, 300 * 200).reshape(1, 300, 200).astype(np.uint16)
    picture = small(ramp)
    assert picture.dtype == np.uint8
    assert max(picture.shape[:2]) <= 56
    assert (picture.min(), picture.max()) == (0, 255)
    rgb = np.zeros((3, 30, 30), np.uint8)
    rgb[0] = 200
    assert small(rgb)[0, 0].tolist() == [200, 0, 0]


def test_nothing_is_predicted_without_a_project():
    assert Predictions(list).next_images() == []


def test_the_export_writes_what_was_chosen(project_dock, folder, qtbot, notices):
    from napari_centermask.widgets.project.export_dialog import ExportDialog

    project_dock.open(folder)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.project.set_predictions(2, Instances((128, 144), [cell(score=0.9)]), model="m")
    dialog = ExportDialog(project_dock.project)
    qtbot.addWidget(dialog)
    dialog.masks.setCurrentIndex(1)
    assert not dialog.loss.isHidden()
    assert dialog.loss.text()
    dialog.folder.setText(str(folder.parent / "out"))
    dialog.copy.setChecked(True)
    dialog.start.click()
    assert notices()[-1].startswith("2 cells of 2 images exported")
    data = json.loads((folder.parent / "out" / "annotations.json").read_text())
    assert all(isinstance(a["segmentation"], list) for a in data["annotations"])
    assert len(list((folder.parent / "out" / "images").iterdir())) == 2


def test_categories_of_a_single_image_are_edited_without_a_project(viewer, project_dock):
    image = viewer.add_image(np.zeros((64, 64), np.float32), name="alone").__wrapped__
    edits = edit_session_of(project_dock.session.session, image)
    edits.add(np.ones((9, 9), bool), (40, 40))
    box = project_dock.categories
    assert box.isEnabled()
    box.name.setText("mitotic")
    box.add.click()
    assert edits.result.categories == {1: "cell", 2: "mitotic"}
    assert list(box.lines) == [1, 2]
    box.lines[1][3].click()
    assert "1 cell has this category" in box.problem.text()
    box.lines[2][3].click()
    assert edits.result.categories == {1: "cell"}


@pytest.fixture
def slow(monkeypatch):
    """Images count as large, and reading "field 1" waits for an event."""
    gate = threading.Event()

    def read(path):
        if path.stem == "field 1":
            gate.wait(10)
        if path.stem == "field 2":
            raise RuntimeError("the disk is gone")
        return read_image(path)

    monkeypatch.setattr(loading, "SMALL", 0)
    monkeypatch.setattr(loading, "read_image", read)
    yield gate
    gate.set()


def test_large_images_are_read_while_the_one_before_stays(viewer, project_dock, folder, slow, qtbot):
    project_dock.open(folder)
    assert project_dock.navigation.count.text() == "Opening field 0.tif…"
    qtbot.waitUntil(lambda: project_dock.session.current == 1, timeout=10_000)
    project_dock.navigation.next.click()
    assert (project_dock.session.current, project_dock.session.loading) == (1, 2)
    assert viewer.layers[0].name == "field 0"
    assert project_dock.images.currentRow() == 1
    assert project_dock.navigation.count.text() == "Opening field 1.tif…"
    made = edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    slow.set()
    qtbot.waitUntil(lambda: project_dock.session.current == 2, timeout=10_000)
    assert [made.id] == [c.id for c in project_dock.project.result(1)]
    assert project_dock.navigation.count.text() == "0 of 6 images reviewed"


def test_of_images_chosen_quickly_the_last_one_comes(viewer, project_dock, folder, slow, qtbot):
    project_dock.open(folder)
    qtbot.waitUntil(lambda: project_dock.session.current == 1, timeout=10_000)
    seen = []
    project_dock.session.shown.connect(seen.append)
    for _ in range(3):
        project_dock.navigation.next.click()
    assert project_dock.session.loading == 4
    slow.set()
    qtbot.waitUntil(lambda: project_dock.session.current == 4, timeout=10_000)
    assert [id for id in seen if id] == [4]
    slow.clear()
    project_dock.show_image(2)
    project_dock.show_image(4)  # the one in view: the other is not wanted any more
    assert project_dock.session.loading == 0
    slow.set()
    qtbot.waitUntil(lambda: not project_dock.session.loader.is_reading, timeout=10_000)
    assert project_dock.session.current == 4


def test_a_large_image_that_cannot_be_read_says_why(project_dock, folder, slow, notices, qtbot):
    project_dock.open(folder)
    qtbot.waitUntil(lambda: project_dock.session.current == 1, timeout=10_000)
    project_dock.show_image(3)
    qtbot.waitUntil(lambda: project_dock.session.loading == 0, timeout=10_000)
    assert "the disk is gone" in notices()[-1]
    assert project_dock.session.current == 1
    assert project_dock.images.currentRow() == 0


def test_a_removed_image_leaves_its_cells_and_can_be_put_back(project_dock, folder, monkeypatch):
    project_dock.open(folder)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *_: next(answers))
    (action,) = project_dock.images.menu(1).actions()
    action.trigger()
    assert project_dock.images.count() == 6
    action.trigger()
    assert project_dock.images.count() == 5
    assert project_dock.session.current == 2
    back, _ = project_dock.message.buttons
    back.click()
    again = ids(project_dock)["field 0.tif"]
    assert project_dock.images.status(again) == "in work"
    project_dock.show_image(again)
    assert [c.area for c in edits_of(project_dock).result] == [81]


def test_next_goes_to_the_most_doubtful_cell_without_the_review_dock(project_dock, folder):
    project_dock.open(folder)
    three = [cell(y=20 * n, score=score) for n, score in enumerate([0.9, 0.3, 0.6])]
    project_dock.project.set_predictions(1, Instances((128, 128), three), model="m")
    edits = edits_of(project_dock)
    scores = []
    for _ in range(3):
        select_next(edits)
        scores.append(edits.cell.score)
    assert scores == [0.3, 0.6, 0.9]
    edits.run_tool("accept", ids=[c.id for c in edits.result])
    edits.select(())
    select_next(edits)
    assert edits.cell is not None
