"""Files are replaced whole, and never silently over what others changed."""

from __future__ import annotations

import json

import pytest
from strokes import draw, reopened, square

from napari_centermask.core.errors import (
    BadProject,
    CannotSave,
    ChangedOutside,
)
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.project import Project


def test_the_former_annotations_are_kept(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        first = (folder / "annotations.json").read_bytes()
        draw(project, 1, square(30, 4, 50, 30))
        project.save()
    assert (folder / "annotations.previous.json").read_bytes() == first
    assert not list(folder.glob("*.part"))


def test_without_hard_links_the_former_annotations_are_copied(folder, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("napari_centermask.io.whole_file.os.link", refuse)
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        first = (folder / "annotations.json").read_bytes()
        project.save()
    assert (folder / "annotations.previous.json").read_bytes() == first
    assert not list(folder.glob("*.part"))


def test_a_file_that_may_not_grow_is_left_as_it_was(folder):
    resource = pytest.importorskip("resource")
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        before = {p.name: p.read_bytes() for p in folder.glob("*.json*")}
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            draw(project, 1, square(30, 4, 40, 30))
            assert project.problem
            with pytest.raises(CannotSave, match="Make room"):
                project.save()
            with project._journal._changed:  # between two attempts of its thread
                assert {p.name: p.read_bytes() for p in folder.glob("*.json*")} == before
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        project.save()
        assert project.problem == ""
    with Project.open(folder) as again:
        assert len(again.result(1)) == 2


def test_files_changed_outside_are_never_overwritten_silently(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        path = folder / "annotations.json"
        theirs = path.read_text().replace('"year"', '"Year"') + " "
        path.write_text(theirs)
        draw(project, 1, square(30, 4, 40, 30))
        assert project.changed_outside() == ["annotations.json"]
        with pytest.raises(ChangedOutside, match=r"annotations\.json"):
            project.save()
        assert path.read_text() == theirs
        project.save(overwrite=True)
        assert (folder / "annotations changed outside.json").read_text() == theirs
        assert len(read_coco(path)[0].instances) == 2
        path.touch()
        assert project.changed_outside() == []
        (folder / "project.json").write_text("{}")
        with pytest.raises(ChangedOutside, match=r"project\.json"):
            project.add_images([])


@pytest.mark.parametrize("names", [["annotations.json"], ["annotations.json", "project.json", "journal.jsonl"]])
def test_own_files_that_were_deleted_come_back_when_the_project_is_saved(folder, names):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        for name in names:
            (folder / name).unlink()
        draw(project, 1, square(30, 4, 40, 30))
        assert project.changed_outside() == []
        project.save()
    with Project.open(folder) as again:
        assert len(again.result(1)) == 2


@pytest.mark.parametrize("name", ["annotations.json", "project.json", "journal.jsonl"])
def test_a_folder_in_the_place_of_an_own_file_is_one_message(folder, name):
    with Project.open(folder) as project:
        project.save()
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    with pytest.raises(BadProject, match=f"{name} in .* is a folder"):
        Project.open(folder)


def test_loading_again_takes_theirs_and_keeps_ours_beside_it(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    project.save()
    theirs = (folder / "annotations.json").read_bytes()
    draw(project, 1, square(30, 4, 40, 30))
    (folder / "annotations.json").write_bytes(theirs + b"\n")
    project = project.reload()
    assert len(project.result(1)) == 1
    assert "changed by another program" in project.notes[0]
    assert len(read_coco(folder / "annotations unsaved.json")[0].instances) == 2
    project.close()


def test_loading_again_keeps_what_was_saved_here_too(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    project.save()
    data = json.loads((folder / "annotations.json").read_text())
    (folder / "annotations.json").write_text(json.dumps({**data, "annotations": []}))
    with project.reload() as again:
        assert len(again.result(1)) == 0
    assert len(read_coco(folder / "annotations unsaved.json")[0].instances) == 1


def test_a_full_disk_keeps_files_and_edits_and_tells(folder, monkeypatch):
    import errno
    import os

    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        before = {p.name: p.read_bytes() for p in folder.glob("*.json")}
        messages = []
        project.troubled.connect(messages.append)
        full = OSError(errno.ENOSPC, "No space left on device")
        write = os.write

        def refuse(*_):
            raise full

        monkeypatch.setattr(os, "write", refuse)
        monkeypatch.setattr(os, "fsync", refuse)
        draw(project, 1, square(30, 4, 40, 30))
        assert "No space left" in project.problem
        assert messages == [project.problem]
        with pytest.raises(CannotSave, match="No space left"):
            project.save()
        assert {p.name: p.read_bytes() for p in folder.glob("*.json")} == before
        assert len(project.result(1)) == 2
        monkeypatch.undo()
        assert os.write is write
        draw(project, 1, square(50, 4, 60, 30))
        assert project._journal.sync()
        assert project.problem == ""
        assert messages[-1] == ""
        again = reopened(project)
        assert (again.recovered, len(again.result(1))) == (2, 3)
        again.close()


def test_undo_works_after_saving(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        draw(project, 1, square(30, 4, 50, 30))
        project.history(1).undo()
        project.history(1).undo()
        assert len(project.result(1)) == 0
        project.save()
        project.history(1).redo()
        assert len(project.result(1)) == 1
        project.save()
    (record,) = read_coco(folder / "annotations.json")
    assert len(record.instances) == 1
    with Project.open(folder) as again:
        assert len(again.result(1)) == 1
