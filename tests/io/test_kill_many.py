"""A kill while one edit changes hundreds of cells loses that edit at most, and never half of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import killed_many as script
import numpy as np
import pytest

from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.io.project import Project

SCRIPT = Path(__file__).with_name("killed_many.py")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def server():
    process = subprocess.Popen([sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.fixture
def folder(tmp_path):
    """A saved project of many cells, and one stroke after that."""
    from PIL import Image

    place = tmp_path / "project"
    place.mkdir()
    Image.fromarray(np.zeros(script.SHAPE, np.uint8)).save(place / "a.png")
    with Project.create(place) as project:
        project.set_predictions(1, script.many(0.75), model="model")
        project.save()
        result = project.result(1)
        drawn = Instance(result.new_id(), 40, 50, np.ones((7, 9), bool), status="corrected")
        project.history(1).do("new cell", [Change((), drawn.id, None, drawn)])
    return place


def state_of(project: Project) -> tuple:
    """All that a person would see of the image."""
    result = project.result(1)
    cells = {
        c.id: (c.box, c.mask.tobytes(), project.categories[c.category].name, c.score, c.status, c.probabilities)
        for c in result
    }
    return cells, result.reviewed_planes


def before_and_after(folder: Path, tmp_path: Path, edit: str) -> tuple[tuple, tuple, str]:
    """What an edit makes of the project where nothing kills it, and the status of its image then."""
    import shutil

    copied = tmp_path / "copy"
    shutil.copytree(folder, copied)
    first, then = script.EDITS[edit]
    with Project.open(copied) as project:
        first(project)
        before = state_of(project)
        then(project)
        return before, state_of(project), project.status(1)


@pytest.mark.parametrize("moment", ["packing", "line", "written"])
@pytest.mark.parametrize("edit", script.EDITS)
def test_a_kill_loses_the_edit_of_many_cells_in_progress_at_most(server, folder, tmp_path, edit, moment):
    before, after, status = before_and_after(folder, tmp_path, edit)
    assert before != after
    server.stdin.write(f"{folder} {edit} {moment}\n")
    server.stdin.flush()
    assert int(server.stdout.readline()) == signal.SIGKILL
    with Project.open(folder) as project:
        assert not project.read_only
        assert project.notes == []
        assert state_of(project) == (after if moment == "written" else before)
        if moment == "written":
            assert project.status(1) == status
        drawn = Instance(project.result(1).new_id(), 2, 2, np.ones((3, 3), bool))
        project.history(1).do("new cell", [Change((), drawn.id, None, drawn)])  # and work goes on
    with Project.open(folder) as project:
        assert drawn.id in {c.id for c in project.result(1)}
