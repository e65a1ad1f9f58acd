"""A project keeps every finished edit, replaces files whole, and never overwrites what others changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from strokes import SHAPE, assert_same, draw, reopened, square, state

from napari_centermask.core.errors import (
    Cancelled,
    ReadOnlyProject,
)
from napari_centermask.core.instances import Instances
from napari_centermask.core.tracks import divide
from napari_centermask.io.project import Project


def test_opening_says_how_far_it_is_and_when_cancelled_leaves_the_folder_as_it_was(folder):
    said = []

    def cancel(done, total):
        said.append((done, total))
        if done == 2:
            raise Cancelled("no more")

    with pytest.raises(Cancelled):
        Project.open(folder, advance=cancel)
    assert said == [(1, 4), (2, 4)]
    assert not (folder / "project.json").exists()
    with Project.open(folder) as project:
        assert not project.read_only


def test_a_folder_of_images_becomes_a_project_in_the_order_that_people_count(folder):
    with Project.open(folder) as project:
        assert [i.file_name for i in project.images] == ["a1.png", "a2.png", "a10.png", "stack.tif"]
        assert [i.status for i in project.images] == ["untouched"] * 4
        assert project.image(1).shape == SHAPE
        assert (project.image(4).shape, project.image(4).leading, project.image(4).axes) == (SHAPE, (2, 3), "TZYX")
        assert not project.read_only
        assert project.recovered == 0
        assert project.notes == []
        assert project.categories[1].name == "cell"
    assert (folder / "project.json").exists()
    with Project.open(folder) as again:
        assert [i.id for i in again.images] == [1, 2, 3, 4]


def test_saved_cells_of_all_planes_read_back_equal_to_the_bit(folder, cells):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.set_predictions(2, cells(n=12, overlap=0.6, shape=SHAPE, radius=8), model="nuclei")
        draw(project, 4, square(1, 1, 9, 9), plane=(1, 2))
        draw(project, 4, square(1, 1, 9, 9), plane=(0, 1))
        project.review_all(1)
        before = state(project)
        project.save()
        assert not project.unsaved
        assert (folder / "journal.jsonl").stat().st_size == 0
        assert (folder / "models").is_dir()
    with Project.open(folder) as again:
        assert again.recovered == 0
        assert_same(state(again), before)
        assert [i.status for i in again.images] == ["in work", "predicted", "untouched", "in work"]
        assert again.result(1).reviewed(()) == ((0, 0, *SHAPE),)


@pytest.mark.parametrize("is_saved", [True, False], ids=["saved", "journal"])
def test_weak_candidates_do_not_come_back_as_cells(folder, cells, is_saved):
    with Project.open(folder) as project:
        project.result(2).threshold = 0.6
        found = [replace(c, score=0.9 if c.id % 2 else 0.3, status="predicted") for c in cells(n=6, shape=SHAPE)]
        project.set_predictions(2, Instances(SHAPE, found), model="nuclei")
        n = project.result(2).n_visible()
        assert n == 3
        if is_saved:
            project.save()
        with reopened(project) as again:
            assert again.recovered == (0 if is_saved else 1)
            assert (again.result(2).threshold, again.result(2).n_visible(), len(again.result(2))) == (0.6, n, 6)
            assert again.unsaved is not is_saved


@pytest.mark.parametrize("bad", ["many", None, -1, 2, True])
def test_a_damaged_line_of_a_threshold_is_no_threshold(folder, bad):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project._journal.note({"image": 1, "threshold": bad})
        with reopened(project) as again:
            assert again.result(1).threshold == 0
            assert "1 lines of the journal could not be used" in again.notes[0]


@pytest.mark.parametrize("is_saved", [True, False], ids=["saved", "journal"])
def test_tracks_come_back_from_the_file_and_from_the_journal(folder, is_saved):
    with Project.open(folder) as project:
        for plane in ((0, 1), (1, 1)):
            draw(project, 4, square(1, 1, 9, 9), plane=plane)
        result = project.result(4)
        (a,), (b,) = ([cell.id for cell in result.plane(index)] for index in ((0, 1), (1, 1)))
        project.history(4).do("division", divide(result, ((0, 1), a), ((1, 1), b)))
        before = state(project)
        assert {cell.id: (cell.track, cell.parent) for cell in result} == {a: (1, 0), b: (2, 1)}
        if is_saved:
            project.save()
    with Project.open(folder) as again:
        assert_same(state(again), before)
        assert {cell.id: (cell.track, cell.parent) for cell in again.result(4)} == {a: (1, 0), b: (2, 1)}


def test_what_another_thread_encoded_is_saved_if_it_is_still_the_present_state(folder, cells, monkeypatch):
    with Project.open(folder) as project:
        project.set_predictions(2, cells(n=12, overlap=0.6, shape=SHAPE, radius=8), model="nuclei")
        project.take_encoded(project.encoder()())
        assert project.is_encoded
        monkeypatch.setattr(Project, "_annotations", lambda *_: pytest.fail("encoded again"))
        before = state(project)
        project.save()
    with Project.open(folder) as again:
        assert again.recovered == 0
        assert_same(state(again), before)


@pytest.mark.parametrize(
    "change",
    [
        lambda project: draw(project, 1, square(30, 4, 40, 30)),
        lambda project: setattr(project.result(2), "threshold", 0.75),
        lambda project: project.set_group(1, "patient 7"),
        lambda project: project.add_category("dead"),
        lambda project: project._images.remove(1),
    ],
)
def test_a_change_while_another_thread_encodes_is_saved_as_well(folder, cells, change):
    with Project.open(folder) as project:
        project.set_predictions(2, cells(n=12, overlap=0.6, shape=SHAPE, radius=8), model="nuclei")
        encode = project.encoder()
        change(project)
        project.take_encoded(encode())
        assert not project.is_encoded
        project.save()
        before, thresholds = state(project), {id: r.threshold for id, r in state(project).items()}
    with Project.open(folder) as again:
        assert again.recovered == 0
        assert_same(state(again), before)
        assert {id: r.threshold for id, r in state(again).items()} == thresholds


def test_the_second_window_reads_and_says_why(folder):
    with Project.open(folder) as first:
        draw(first, 1, square(3, 4, 20, 30))
        with Project.open(folder) as second:
            assert "another window" in second.read_only
            assert second.recovered == 0
            assert_same(state(second), state(first))  # with what is only in the journal
            with pytest.raises(ReadOnlyProject, match="another window"):
                draw(second, 1, square(30, 4, 40, 30))
            for change in (
                second.save,
                lambda: second.set_status(1, "reviewed"),
                lambda: second.add_category("x"),
                lambda: second.set_predictions(1, Instances(SHAPE), model="m"),
                lambda: second.add_images([]),
            ):
                with pytest.raises(ReadOnlyProject):
                    change()
        draw(first, 1, square(30, 4, 40, 30))
    with Project.open(folder) as third:
        assert not third.read_only
        assert len(third.result(1)) == 2
