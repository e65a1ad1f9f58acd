"""A project keeps every finished edit, replaces files whole, and never overwrites what others changed."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_centermask.core.errors import (
    BadAnnotations,
    BadImage,
    BadProject,
    BadSettings,
    CannotSave,
    ChangedOutside,
    ReadOnlyProject,
    UserError,
)
from napari_centermask.core.instances import Instances
from napari_centermask.core.tools import delete, new_cell, set_status, split_line, to_changes
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.project import Category, Project

SHAPE = (64, 80)


def square(y0, x0, y1, x1, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture
def folder(tmp_path):
    """Four images: three single ones and a stack of 2 x 3 planes."""
    import tifffile

    place = tmp_path / "experiment"
    place.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a1.png", "a2.png", "a10.png"):
        Image.fromarray(rng.integers(0, 255, SHAPE, np.uint8)).save(place / name)
    stack = rng.integers(0, 255, (2, 3, *SHAPE), np.uint8)
    tifffile.imwrite(place / "stack.tif", stack, metadata={"axes": "TZYX"}, imagej=False, ome=True)
    return place


def draw(project, id, mask, plane=(), **fields):
    result = project.result(id)
    pairs = new_cell(result.plane(plane), mask, **fields)
    return project.history(id).do("new cell", to_changes(pairs, plane, result))


def state(project):
    return {i.id: project.result(i.id) for i in project.images if i.shape is not None}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for id in a:
        assert a[id].reviewed_planes == b[id].reviewed_planes
        cells = [{(k, c.id): c for k, p in r.planes.items() for c in p} for r in (a[id], b[id])]
        assert cells[0].keys() == cells[1].keys()
        assert all(cells[0][k].equals(cells[1][k]) for k in cells[0])


def reopened(project):
    """As a new process would find it after this one was killed: without saving, without closing properly."""
    project._journal.sync()
    project._lock.release()
    project._lock = None
    return Project.open(project.folder)


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


def test_every_edit_undo_and_redo_is_found_again_without_saving(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    draw(project, 1, square(30, 4, 50, 30))
    result, history = project.result(1), project.history(1)
    history.do("split", to_changes(split_line(result.plane(()), 1, [(0, 10), (40, 10)]), (), result))
    history.undo()
    history.redo()
    history.do("delete", to_changes(delete(result.plane(()), [2]), (), result))
    project.set_status(3, "reviewed")
    project.set_group(2, "dish 1")
    again = reopened(project)
    assert_same(state(again), state(project))
    assert again.recovered == 7
    assert again.status(1) == "in work"
    assert again.status(3) == "reviewed"
    assert again.image(2).group == "dish 1"
    assert again.result(1).new_id() > 3
    again.save()
    again.close()
    with Project.open(folder) as third:
        assert third.recovered == 0
        assert_same(state(third), state(project))


def test_a_crash_between_the_two_files_and_the_journal_applies_nothing_twice(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    project._journal.sync()
    journal = (folder / "journal.jsonl").read_bytes()
    project.save()
    (folder / "journal.jsonl").write_bytes(journal)  # as if the process died before the journal was emptied
    again = reopened(project)
    assert again.recovered == 0
    assert len(again.result(1)) == 1
    assert draw(again, 1, square(40, 40, 50, 50)) is not None
    third = reopened(again)
    assert third.recovered == 1
    assert len(third.result(1)) == 2
    third.close()


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


def test_annotations_that_are_gone_are_not_taken_for_none(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        project.save()
    (folder / "annotations.json").unlink()
    with pytest.raises(BadProject, match=r"annotations\.previous\.json"):
        Project.open(folder)
    (folder / "annotations.previous.json").rename(folder / "annotations.json")
    with Project.open(folder) as again:
        assert len(again.result(1)) == 1


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
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert {p.name: p.read_bytes() for p in folder.glob("*.json*")} == before
        project.save()
        assert project.problem == ""
    with Project.open(folder) as again:
        assert len(again.result(1)) == 2


def test_images_that_were_not_opened_are_written_back_as_they_came(folder):
    raw = {
        "info": {"year": 2020},
        "licenses": [{"id": 1, "name": "CC0"}],
        "images": [
            {"id": 7, "file_name": "a1.png", "height": 64, "width": 80, "license": 1},
            {"id": 9, "file_name": "lost.png", "height": 10, "width": 10},
        ],
        "annotations": [
            {
                "id": 4,
                "image_id": 7,
                "category_id": 3,
                "segmentation": [[2, 2, 9, 2, 9, 9]],
                "iscrowd": 0,
                "by": "Ada",
                "bbox": [2, 2, 7, 7],
                "area": 24.5,
            },
            {
                "id": 6,
                "image_id": 7,
                "category_id": 3,
                "segmentation": {"size": [64, 80], "counts": [0, 9, 5111]},
                "iscrowd": 1,
            },
            {"id": 5, "image_id": 9, "category_id": 3, "segmentation": [[2, 2, 9, 2, 9, 9]]},
        ],
        "categories": [{"id": 3, "name": "yeast"}],
    }
    (folder / "annotations.json").write_text(json.dumps(raw))
    with Project.open(folder) as project:
        assert project.status(1) == "in work"
        assert [c.name for c in project.categories.values()] == ["yeast"]
        draw(project, 2, square(1, 1, 5, 5), category=3)
        project.save()
        data = json.loads((folder / "annotations.json").read_text())
        assert data["licenses"] == raw["licenses"]
        assert data["info"]["year"] == 2020
        by_name = {i["file_name"]: i for i in data["images"]}
        assert by_name["a1.png"]["license"] == 1
        kept = [a for a in data["annotations"] if a["image_id"] == by_name["a1.png"]["id"]]
        assert [{**a, "id": 0, "image_id": 0} for a in kept] == [
            {**a, "id": 0, "image_id": 0} for a in raw["annotations"][:2]
        ]
        draw(project, 1, square(30, 30, 40, 40), category=3)
        project.save()
    data = json.loads((folder / "annotations.json").read_text())
    assert sum(a["iscrowd"] for a in data["annotations"] if "iscrowd" in a) == 1
    assert len(data["annotations"]) == 5
    with Project.open(folder) as again:
        assert len(again.result(1)) == 2


def test_rejected_cells_and_candidates_stay_out_of_the_annotations_that_others_read(folder, cells):
    with Project.open(folder) as project:
        project.set_predictions(1, cells(n=8, shape=SHAPE, radius=6), model="nuclei")
        result = project.result(1)
        result.threshold = 0.7
        low = sum(i.score < 0.7 for i in result)
        first = next(i.id for i in result if i.score > 0.7)
        project.history(1).do("reject", to_changes(set_status(result.plane(()), [first], "rejected"), (), result))
        project.save()
        before = state(project)
    (record,) = read_coco(folder / "annotations.json")
    assert len(record.instances) == 8 - low - 1
    with Project.open(folder) as again:
        assert len(again.result(1)) == 8
        assert again.result(1).threshold == 0.7
        assert_same(state(again), before)


def test_the_score_from_which_cells_are_shown_is_saved(folder, cells):
    with Project.open(folder) as project:
        project.set_predictions(1, cells(n=8, shape=SHAPE, radius=6), model="nuclei")
        project.save()
        assert not project.unsaved
        project.result(1).threshold = 0.8
        assert project.unsaved
        project.save()
        assert not project.unsaved
    with Project.open(folder) as again:
        assert again.result(1).threshold == 0.8
        assert not again.unsaved


def test_predictions_leave_what_a_person_did_and_match_categories_by_name(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        predicted = Instances(SHAPE, categories={1: "dead", 2: "cell"})
        for mask, category in ((square(3, 4, 20, 29), 2), (square(40, 40, 50, 50), 1), (square(40, 4, 50, 9), 2)):
            cell = new_cell(predicted, mask, category=category, score=0.9, status="predicted")[0][1]
            predicted.add(replace(cell, probabilities=(0.8, 0.2)))
        project.set_predictions(1, predicted, model="m")
        by_place = {(c.y0, c.x0): c for c in project.result(1)}
        assert len(by_place) == 3
        assert by_place[3, 4].source == "manual"
        names = {place: project.categories[c.category].name for place, c in by_place.items()}
        assert names == {(3, 4): "cell", (40, 40): "dead", (40, 4): "cell"}
        probabilities = dict(zip(sorted(project.categories), by_place[40, 40].probabilities, strict=True))
        assert {project.categories[id].name: p for id, p in probabilities.items()} == {"cell": 0.2, "dead": 0.8}
        assert by_place[40, 40].source == "m"
        project.history(1).undo()
        assert len(project.result(1)) == 1
        project.set_predictions(2, Instances(SHAPE), model="m")
        assert project.status(2) == "predicted"
        project.set_predictions(4, {(0, 1): predicted, (1, 0): predicted}, model="m")
        assert [len(p) for p in project.result(4).planes.values()] == [3, 3]
        with pytest.raises(ValueError, match="plane of"):
            project.set_predictions(1, Instances((5, 5)), model="m")


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


def test_recovered_edits_can_be_refused(folder):
    project = Project.open(folder)
    draw(project, 1, square(3, 4, 20, 30))
    project.save()
    draw(project, 1, square(30, 4, 40, 30))
    again = reopened(project)
    assert (again.recovered, len(again.result(1))) == (1, 2)
    again = again.discard_recovered()
    assert (again.recovered, len(again.result(1))) == (0, 1)
    assert (folder / "journal discarded.jsonl").stat().st_size > 0
    again.close()


def test_categories_are_edited_named_everywhere_and_kept(folder):
    project = Project.open(folder)
    project.result(1)
    id = project.add_category("dead")
    assert (id, project.categories[id].key) == (2, "2")
    assert project.categories[id].colour != project.categories[1].colour
    project.set_category(1, Category("living", "#00ff00", "q"))
    assert project.result(1).categories == {1: "living", 2: "dead"}
    with pytest.raises(BadSettings, match="name"):
        project.set_category(1, Category("dead", "#00ff00", "q"))
    with pytest.raises(BadSettings, match="key"):
        project.set_category(1, Category("living", "#00ff00", "2"))
    with pytest.raises(BadSettings, match="colour"):
        project.set_category(1, Category("living", "green", "q"))
    draw(project, 1, square(3, 4, 20, 30), category=2)
    with pytest.raises(BadSettings, match=r"a1\.png"):
        project.remove_category(2)
    again = reopened(project)
    assert again.categories == {1: Category("living", "#00ff00", "q"), 2: project.categories[2]}
    again.save()
    with pytest.raises(BadSettings, match=r"a1\.png"):
        again.remove_category(2)
    again.remove_category(1)
    again.close()
    with Project.open(folder) as third:
        assert list(third.categories) == [2]
        result = third.result(1)
        third.history(1).do("delete", to_changes(delete(result.plane(()), [1]), (), result))
        with pytest.raises(BadSettings, match="only category"):
            third.remove_category(2)


def test_categories_that_a_run_in_the_viewer_brings_are_added(folder):
    project = Project.open(folder)
    result = project.result(1)
    here = result.join_categories((), {1: "living", 2: "cell"})
    assert here == {1: 3, 2: 1}
    draw(project, 1, square(3, 4, 20, 30), category=here[1], status="predicted")
    assert project.categories[3].name == "living"
    assert project.result(2).categories == result.categories == {1: "cell", 3: "living"}
    again = reopened(project)
    assert again.categories == project.categories
    again.close()


def test_linked_and_copied_images(tmp_path, folder):
    place = tmp_path / "project"
    images = [folder / "a1.png", folder / "stack.tif"]
    with Project.create(place, images) as linked:
        assert [i.path for i in linked.images] == images
        assert [p.name for p in place.iterdir() if p.suffix == ".png"] == []
        assert linked.add_images([folder / "a1.png"]) == ["a1.png is already in the project."]
        assert linked.add_images([folder / "a2.png"], copy=True) == []
        assert linked.image(3).path == place / "images" / "a2.png"
        assert linked.image(3).file_name == "images/a2.png"
        draw(linked, 1, square(3, 4, 20, 30))
        linked.save()
    with pytest.raises(BadProject, match="already"):
        Project.create(place)
    (folder / "a1.png").rename(tmp_path / "moved.png")
    with Project.open(place) as again:
        assert "missing" in again.image(1).problem
        assert len(again.result(1)) == 1
        again.relocate(1, tmp_path / "moved.png")
        assert again.image(1).problem == ""
        other = tmp_path / "other.png"
        Image.fromarray(np.zeros((5, 5), np.uint8)).save(other)
        with pytest.raises(BadImage, match="pixels when its cells were drawn"):
            again.relocate(1, other)
    with pytest.raises(BadProject, match="Choose image files"):
        Project.create(tmp_path / "third", [tmp_path / "none.png"])


def test_images_of_one_name_from_two_folders_stay_apart(tmp_path, folder):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    with Project.create(tmp_path / "p", [folder / "a1.png", other / "a1.png"], copy=True) as project:
        assert [i.file_name for i in project.images] == ["images/a1.png", "images/other_a1.png"]
        assert all(i.path.is_file() for i in project.images)


def test_damaged_images_are_listed_with_what_is_wrong(folder):
    (folder / "a2.png").write_bytes(b"no image")
    with Project.open(folder) as project:
        assert "cannot be read" in project.image(2).problem
        with pytest.raises(BadImage, match="cannot be read"):
            project.result(2)
        with pytest.raises(BadImage):
            project.set_status(2, "reviewed")
        project.save()


def test_an_image_replaced_by_one_of_another_size_keeps_its_cells_and_is_reported(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(folder / "a1.png")
    with Project.open(folder) as again:
        assert "pixels when its cells were drawn" in again.image(1).problem
        assert len(again.result(1)) == 1


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


def test_a_removed_image_keeps_its_cells_apart_and_brings_them_back(folder):
    with Project.open(folder) as project:
        for id in (1, 2):
            draw(project, id, square(1, 1, 9, 9))
        draw(project, 2, square(20, 20, 30, 30), status="rejected")
        project.set_status(2, "reviewed")
        project.set_group(2, "well B")
        before = project.result(2)
        name, path = project.image(2).file_name, project.image(2).path
        project.remove_image(2)
        assert 2 not in project
        assert [i.id for i in project.images] == [1, 3, 4]
        assert not project.unsaved
    assert path.exists()
    data = json.loads((folder / "annotations.json").read_text())
    assert [i["file_name"] for i in data["images"]] == ["a1.png"]
    assert len(data["annotations"]) == 1
    (kept,) = data["napari_centermask"]["removed"]
    assert (kept["entry"]["file_name"], len(kept["annotations"]), len(kept["hidden"])) == (name, 1, 1)
    with Project.open(folder) as project:
        assert not project.recovered
        project.add_category("other")
        project.history(1).do("change", _recategorised(project.result(1)))
        with pytest.raises(BadSettings, match="removed"):
            project.remove_category(1)
        project.add_images([path])
        assert project.images[-1].group == "well B"
        assert project.images[-1].status == "reviewed"
        again = project.images[-1].id
        assert_same({1: project.result(again)}, {1: before})
        crashed = shutil.copytree(folder, folder.parent / "crashed")  # before it was saved
        project.save()
    assert "removed" not in json.loads((folder / "annotations.json").read_text()).get("napari_centermask", {})
    for place in (folder, crashed):
        with Project.open(place) as project:
            assert_same({1: project.result(again)}, {1: before})


def _recategorised(result):
    from dataclasses import replace

    return to_changes([(c, replace(c, category=2)) for c in result], (), result)


def test_an_image_stays_if_the_project_cannot_be_saved(folder):
    with Project.open(folder) as project:
        draw(project, 2, square(1, 1, 9, 9))
        project.save()
        draw(project, 2, square(11, 11, 19, 19))
        (folder / "annotations.json").write_text("{}")
        with pytest.raises(ChangedOutside):
            project.remove_image(2)
        assert [i.id for i in project.images] == [1, 2, 3, 4]
        assert len(project.result(2)) == 2
        project.save(overwrite=True)
    with Project.open(folder) as project:
        assert len(project.result(2)) == 2


def test_another_file_of_the_same_name_gets_no_cells(tmp_path, folder):
    (tmp_path / "other").mkdir()
    elsewhere = shutil.copy(folder / "a1.png", tmp_path / "other" / "b.png")
    third = tmp_path / "third"
    third.mkdir()
    with Project.open(folder) as project:
        project.add_images([elsewhere])
        draw(project, 5, square(1, 1, 9, 9))
        project.remove_image(5)
        project.add_images([shutil.copy(folder / "a1.png", third / "b.png")])
        assert len(project.result(project.images[-1].id)) == 0


def test_results_in_a_folder_are_not_images_of_its_project(tmp_path, folder):
    with Project.open(folder) as before:
        names = [i.file_name for i in before.images]
    (folder / "project.json").unlink(missing_ok=True)
    for name in ("a1_labels.png", "a1_cp_masks.png"):
        shutil.copy(folder / "a1.png", folder / name)
    with Project.open(folder) as project:
        assert [i.file_name for i in project.images] == names
        assert project.new_files() == []
        assert project.add_images([folder / "a1_labels.png"]) == []  # who names one means it
        assert [i.file_name for i in project.images][-1] == "a1_labels.png"


def test_an_image_that_cannot_be_copied_keeps_no_other_one_out(tmp_path, folder, monkeypatch):
    from napari_centermask.core.errors import CannotSave
    from napari_centermask.io.project import images

    def copy_file(path, target):
        if path.name == "a1.png":
            raise CannotSave(f"Cannot write {target}: no room.")
        return real(path, target)

    real = images.copy_file
    monkeypatch.setattr(images, "copy_file", copy_file)
    with Project.create(tmp_path / "p") as project:
        reasons = project.add_images([folder / "a1.png", folder / "a2.png"], copy=True)
        assert [i.file_name for i in project.images] == ["images/a2.png"]
        assert "no room" in reasons[0]


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), KeyError("axes"), OSError(5, "Input/output error")])
def test_an_image_whose_header_raises_anything_does_not_keep_a_project_from_opening(folder, monkeypatch, error):
    from napari_centermask.io.project import images

    def read_header(path):
        if path.name == "a1.png":
            raise error
        return real(path)

    real = images.read_header
    monkeypatch.setattr(images, "read_header", read_header)
    with Project.open(folder) as project:
        problems = {i.path.name: i.problem for i in project.images}
        assert problems.pop("a1.png")
        assert not any(problems.values())
