"""A disk that goes away while a project is open takes nothing that was drawn with it."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import CannotSave
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.io.journal import Journal, _append_whole, read_journal
from napari_centermask.io.project import Project, saving
from napari_centermask.io.recovery import spare_journal


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """The folder that goes away, with a project in it; its computer keeps unsaved work in `home`."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    folder = tmp_path / "disk" / "project"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder / "a.tif", np.zeros((64, 64), np.uint8))
    with Project.open(folder) as project:
        project.save()
    return tmp_path / "disk"


def draw(project: Project, *ids: int) -> None:
    for id in ids:
        cell = Instance(id, 4 * id, 4, np.ones((3, 3), bool))
        project.history(1).do(f"new cell {id}", [Change((), id, None, cell)])


def cells(project: Project) -> list[int]:
    return sorted(cell.id for cell in project.result(1))


def left_behind(disk):
    """A session in which the disk goes away after the first cell."""
    project = Project.open(disk / "project")
    draw(project, 1)
    disk.rename(disk.with_name("away"))
    draw(project, 2, 3)
    return project


def end(project, disk):
    """End the session; the disk comes back after it."""
    project.close()
    disk.with_name("away").rename(disk)


def test_what_was_drawn_comes_back_with_the_disk(disk):
    project, spare = left_behind(disk), spare_journal(disk / "project")
    for sentence in (project.problem, project.kept):
        assert f"What you drew since then is kept in {spare}" in sentence
    with pytest.raises(CannotSave, match=r"No such file.*bring .*project back"):
        project.save()
    end(project, disk)
    with Project.open(disk / "project") as again:
        assert cells(again) == [1, 2, 3]
        assert again.recovered == 3
    assert not spare.exists()
    with Project.open(disk / "project") as later:
        assert cells(later) == [1, 2, 3]
        later.save()


def test_a_disk_that_comes_back_in_time_gets_it_all(disk):
    project, spare = left_behind(disk), spare_journal(disk / "project")
    assert spare.exists()
    disk.with_name("away").rename(disk)
    draw(project, 4)
    project.save()
    assert not project.problem
    assert not spare.exists()
    project.close()
    with Project.open(disk / "project") as again:
        assert cells(again) == [1, 2, 3, 4]


def test_a_project_that_was_changed_elsewhere_meanwhile_stays_and_the_edits_are_kept(disk, tmp_path, monkeypatch):
    end(left_behind(disk), disk)
    spare = spare_journal(disk / "project")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "other computer"))
        with Project.open(disk / "project") as theirs:
            draw(theirs, 7)
            theirs.save()
    with Project.open(disk / "project") as again:
        assert cells(again) == [1, 7]
        assert "2 edits" in again.notes[0]
        kept = spare.with_name("journal not used.jsonl")
        assert str(kept) in again.notes[0]
        assert kept.exists()
    assert not spare.exists()


def spare_of(disk, *lines):
    """A spare file of the project with these lines."""
    spare = spare_journal(disk / "project")
    spare.parent.mkdir(parents=True, exist_ok=True)
    spare.write_bytes(b"".join(lines))
    return spare


def group(number, name="kept"):
    return json.dumps({"n": number, "group": {"a.tif": name}}).encode() + b"\n"


def test_what_was_refused_comes_back_although_half_of_a_save_was_written(disk, monkeypatch):
    project, replaced = Project.open(disk / "project"), saving.replace_file

    def full(self, line):
        self._refused(OSError(errno.ENOSPC, "No space left on device"))
        return False

    def too_large(path, *args, **options):
        if path.name == "annotations.json":
            raise CannotSave(f"Cannot save {path}: no space left on the disk.")
        return replaced(path, *args, **options)

    with monkeypatch.context() as small:
        small.setattr(Journal, "_write_first", full)
        small.setattr(saving, "replace_file", too_large)
        draw(project, 1, 2, 3)
        with pytest.raises(CannotSave):
            project.save()
        assert "comes back when you open the project again" in project.kept
        project.close()
    with Project.open(disk / "project") as again:
        assert cells(again) == [1, 2, 3]
        assert not again.notes


@pytest.mark.parametrize("numbers", [(11, 12), (1, 3)])
def test_what_does_not_continue_the_project_is_kept_apart(disk, numbers):
    spare = spare_of(disk, *map(group, numbers))
    with Project.open(disk / "project") as again:
        assert again.recovered == 0
        (note,) = [note for note in again.notes if "not used" in note]
        assert "2 edits" in note
    assert not spare.exists()
    assert len(list(spare.parent.glob("*not used*"))) == 1


def test_edits_of_another_project_in_its_place_are_kept_apart(disk):
    end(left_behind(disk), disk)
    spare = spare_journal(disk / "project")
    lines = spare.read_bytes()
    spare.unlink()
    for path in (disk / "project").glob("*.json*"):
        path.unlink()
    with Project.open(disk / "project") as other:
        draw(other, 9)  # the next number is the one at which the edits of the former project would continue
    spare_of(disk, lines)
    with Project.open(disk / "project") as again:
        assert cells(again) == [9]
        (note,) = [note for note in again.notes if "not used" in note]
        assert "2 edits" in note
    assert not spare.exists()


def test_an_old_spare_file_does_not_take_later_edits_with_it(disk):
    with Project.open(disk / "project") as project:
        draw(project, 1)
    lines = (disk / "project" / "journal.jsonl").read_bytes()
    spare = spare_of(disk, lines)
    with Project.open(disk / "project"):
        assert not spare.exists()


def test_an_incomplete_last_line_does_not_swallow_the_next_edit(tmp_path):
    spare = tmp_path / "spare.jsonl"
    spare.write_bytes(b'{"n": 1, "gro')
    _append_whole(spare, b'{"n":2}\n')
    assert [r["n"] for r in read_journal(spare).records] == [2]


def test_what_was_written_but_not_brought_to_the_disk_is_kept_aside_too(tmp_path, monkeypatch):
    spare = tmp_path / "spare" / "journal.jsonl"
    journal = Journal(tmp_path / "journal.jsonl", spare=spare)
    sync = os.fsync

    def gone(descriptor):
        if descriptor == journal._file:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", gone)
    journal.note({"group": {}})
    assert not journal.sync()
    assert [r["n"] for r in read_journal(spare).records] == [1]
    assert str(spare) in journal.kept
    monkeypatch.setattr(os, "fsync", sync)
    assert journal.sync()
    journal.close()
