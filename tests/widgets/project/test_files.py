"""What a person does with the files of a project."""

import json

import numpy as np
from project_cells import edits_of, ids
from qtpy.QtWidgets import QFileDialog, QMessageBox


def test_the_samples_become_a_project_and_what_is_there_stays(project_dock, tmp_path, monkeypatch, notices):
    assert project_dock.head.samples.isVisibleTo(project_dock)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    project_dock.head.samples.click()
    assert [i.file_name for i in project_dock.project.images][0] == "1 overlapping (semi-synthetic).png"
    assert len(project_dock.project.images) == 4
    assert not any(i.problem for i in project_dock.project.images)
    assert (tmp_path / "CenterMask samples" / "ATTRIBUTION.md").exists()
    assert not project_dock.head.samples.isVisibleTo(project_dock)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.session.close()
    project_dock.head.samples.click()
    assert len(edits_of(project_dock).result) == 1
    project_dock.session.close()
    (tmp_path / "file").touch()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "file"))
    project_dock.head.samples.click()
    assert "Choose another folder" in notices()[-1]


def test_the_tutorial_becomes_a_project_of_five_images_without_cells(project_dock, tmp_path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    project_dock.head.tutorial.click()
    assert [i.file_name for i in project_dock.project.images] == [f"phase contrast {n}.png" for n in range(1, 6)]
    assert project_dock.project.folder == tmp_path / "CenterMask tutorial"
    assert not project_dock.head.tutorial.isVisibleTo(project_dock)


def test_a_folder_without_a_project_is_refused_with_a_message(project_dock, tmp_path, notices):
    project_dock.open(tmp_path / "nowhere")
    assert project_dock.project is None
    assert "choose a folder" in notices()[-1].lower()


def test_save_writes_the_cells_and_the_journal_starts_anew(project_dock, folder, notices):
    project_dock.open(folder)
    edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    project_dock.head.save.click()
    assert notices()[-1] == "Saved experiment."
    data = json.loads((folder / "annotations.json").read_text())
    assert [a["bbox"] for a in data["annotations"]] == [[40, 40, 9, 9]]


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


def test_links_that_lead_nowhere_are_named_when_a_folder_becomes_a_project(project_dock, folder, monkeypatch):
    (folder / "gone.tif").symlink_to(folder / "moved" / "gone.tif")
    said = []
    monkeypatch.setattr("napari_centermask.widgets.project.files.show_info", said.append)
    project_dock.open(folder)
    assert any("1 link to files that do not exist (gone.tif)" in text for text in said)


def test_each_image_of_a_file_is_one_of_the_list_and_those_to_add_are_chosen(
    project_dock, folder, lif, monkeypatch, tmp_path
):
    lif(folder / "slide.lif")
    project_dock.open(folder)
    names = ["slide.lif/Series 1", "slide.lif/Series_2_x"]
    assert [i.file_name for i in project_dock.project.images][-2:] == names
    project_dock.show_image(ids(project_dock)[names[1]])
    edits_of(project_dock).add(np.ones((9, 9), bool), (10, 10))
    assert project_dock.save()
    other, *_ = lif(tmp_path / "other.lif")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *args, **kwargs: ([str(other)], ""))
    asked = []

    def choose(path, parent, *, ticked):
        asked.append((path, ticked))
        return [path / "Series 1"]

    monkeypatch.setattr("napari_centermask.widgets.project.files.ask_scenes", choose)
    project_dock.files.add()
    assert asked == [(other, None)]
    assert [i.file_name for i in project_dock.project.images][-3:] == [*names, "other.lif/Series 1"]
