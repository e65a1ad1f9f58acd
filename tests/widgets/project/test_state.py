"""What the buttons of the project dock may do, from its state alone."""

from types import SimpleNamespace

import pytest

from napari_centermask.widgets.project.state import ProjectState, controls, export_control, neighbour, progress_text


def enabled(state):
    return {name for name, control in controls(state).items() if control.enabled}


def test_without_a_project_one_can_only_be_opened():
    assert enabled(ProjectState()) == {"open"}
    assert all("Open a folder" in c.tooltip for name, c in controls(ProjectState()).items() if name != "open")


def test_a_project_in_use_can_do_everything():
    state = ProjectState(is_open=True, current=2, previous=1, following=3, images=3)
    assert enabled(state) == set(controls(state))


def test_a_read_only_project_says_why_it_cannot_be_changed():
    state = ProjectState(is_open=True, read_only="Another window has it open.", current=2, previous=1, images=2)
    assert enabled(state) == {"open", "export", "previous"}
    assert controls(state)["save"].tooltip == controls(state)["predict"].tooltip == "Another window has it open."


def test_while_an_image_is_read_it_cannot_be_called_reviewed():
    state = ProjectState(is_open=True, current=1, loading="b.tif", following=2, images=2)
    assert not controls(state)["done"].enabled
    assert "b.tif" in controls(state)["done"].tooltip
    assert progress_text(state) == "Opening b.tif…"


def test_progress_is_said_in_images():
    assert progress_text(ProjectState()) == ""
    assert progress_text(ProjectState(is_open=True, images=3, reviewed=1)) == "1 of 3 images reviewed"


def test_neighbours_pass_over_images_that_cannot_be_used_or_need_no_review():
    kinds = ["untouched", "reviewed", "bad", "in work"]
    images = [SimpleNamespace(id=k + 1, status=s, problem="" if s != "bad" else "damaged") for k, s in enumerate(kinds)]
    assert neighbour(images, 1, 1) == 2
    assert neighbour(images, 1, 1, open_only=True) == 4
    assert neighbour(images, 4, -1) == 2
    assert (neighbour(images, 0, 1), neighbour(images, 0, -1)) == (1, 4)
    assert neighbour(images, 4, 1) is None
    assert neighbour([], 0, 1) is None


@pytest.mark.parametrize(
    ("folder", "percents", "problem"),
    [
        ("/data/export", None, ""),
        ("/data/export", [70, 15, 15], ""),
        ("/data/export", [70, 15, 10], "The split adds up to 95 %."),
        ("", None, "Choose a folder."),
        ("export", None, "'export' is not a full path."),
    ],
)
def test_an_export_needs_a_full_path_and_a_whole_split(folder, percents, problem):
    start = export_control(folder, percents)
    assert start.enabled == (not problem)
    assert start.tooltip.startswith(problem or "Export the cells")
