"""The project dock: a folder of images, from opening to the last saved edit."""

import shutil

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from project_cells import cell, edits_of, ids, statuses

from napari_centermask.core.errors import BadProject
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.project import Project
from napari_centermask.widgets.edit.review import select_next


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
