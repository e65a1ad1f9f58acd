"""A project's file is refused where it is damaged."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strokes import draw, square

from napari_centermask.core.errors import (
    BadAnnotations,
    BadProject,
    UserError,
)
from napari_centermask.io.project import Project


def test_a_damaged_project_file_is_refused_and_nothing_is_changed(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
    good = (folder / "project.json").read_text()
    for text, message in (
        ("{", "cannot be read"),
        ("[]", "ProjectFile|dict|object"),
        (good.replace('"version": 1', '"version": 2'), "newer version"),
        (good.replace('"a1.png"', '"../a1.png"'), "is outside"),
        (good.replace('"a2.png"', '"a1.png"'), "twice"),
        (good.replace('"#4c9be8"', '"blue"'), "colour"),
    ):
        (folder / "project.json").write_text(text)
        before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != ".lock"}
        with pytest.raises(BadProject, match=message):
            Project.open(folder)
        assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != ".lock"} == before
    (folder / "project.json").write_text(good)
    (folder / "annotations.json").write_text("{")
    with pytest.raises(BadAnnotations, match=r"annotations\.previous\.json"):
        Project.open(folder)
    with pytest.raises(BadProject, match="Choose a folder"):
        Project.open(folder / "nothing")


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.builds(list) | st.builds(dict)
)


paths = st.lists(
    st.sampled_from(["images", "categories", 0, 1, "id", "shape", "leading", "path", "file_name", "known", "edits"])
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(paths, values), min_size=1, max_size=4))
def test_hostile_files_open_or_are_refused_and_change_nothing(folder, changes):
    """Any value anywhere in the three files of a project."""
    place = folder.parent / "hostile"
    if not place.exists():
        shutil.copytree(folder, place)
        with Project.open(place) as project:
            draw(project, 1, square(3, 4, 20, 30))
            project.save()
            draw(project, 1, square(30, 4, 40, 30))
        shutil.copytree(place, folder.parent / "good")
    for name in ("project.json", "annotations.json", "journal.jsonl"):
        data = json.loads((folder.parent / "good" / name).read_text())
        for path, value in changes:
            holder = data
            for key in path[:-1]:
                stored = holder.get(key) if isinstance(holder, dict) else None
                if isinstance(holder, list) and isinstance(key, int) and key < len(holder):
                    stored = holder[key]
                holder = stored if isinstance(stored, (dict, list)) else holder
            if path and isinstance(holder, dict):
                holder[path[-1]] = deepcopy(value)
            elif path and isinstance(holder, list) and isinstance(path[-1], int) and path[-1] < len(holder):
                holder[path[-1]] = deepcopy(value)
        (place / name).write_text(json.dumps(data) + "\n")
        before = {n: (place / n).read_bytes() for n in ("project.json", "annotations.json", "journal.jsonl")}
        try:
            with Project.open(place) as project:
                for image in project.images:
                    assert image.path.parent == place or image.problem
                    if image.shape is not None:
                        project.result(image.id)
        except UserError:
            pass  # one clear message
        assert {n: (place / n).read_bytes() for n in before} == before
        shutil.copy(folder.parent / "good" / name, place / name)
