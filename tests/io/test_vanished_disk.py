"""A disk that goes away while a project is open takes nothing that was drawn with it."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import CannotSave
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.io.project import Project
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
