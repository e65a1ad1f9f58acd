import json
from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations, Cancelled, ReadOnlyProject
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.project import Project
from napari_centermask.io.project_import import import_into


def picture(path, shape=(64, 64)):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(shape, np.uint8)).save(path)


@pytest.fixture
def project(tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path / "project" / "images" / name)
    with Project.create(tmp_path / "project") as made:
        yield made


@pytest.fixture
def drawn(cells):
    def make(n=6, seed=1, status="accepted", categories=None, category=1):
        made = cells(n=n, overlap=0.5, seed=seed, shape=(64, 64), radius=6)
        kept = [replace(c, status=status, category=category) for c in made]
        return Instances((64, 64), kept, categories=categories)

    return make


def write(folder, *records):
    folder.mkdir(exist_ok=True)
    write_coco(folder / "theirs.json", records)
    return folder / "theirs.json"


def ids(project):
    return {i.file_name.split("/")[-1]: i.id for i in project.images}


def test_an_import_that_is_cancelled_changes_nothing(project, tmp_path, drawn):
    path = write(tmp_path / "x", ImageRecord(5, "plate/a.png", None, (64, 64), drawn()))

    def cancel(done, total):
        raise Cancelled("no more")

    with pytest.raises(Cancelled):
        import_into(project, path, advance=cancel)
    assert not len(project.result(ids(project)["a.png"]))
    assert not project.unsaved


def test_images_are_matched_by_name_and_cells_come_once(project, tmp_path, drawn):
    path = write(tmp_path / "x", ImageRecord(5, "plate/a.png", None, (64, 64), drawn()))
    report = import_into(project, path)
    result = project.result(ids(project)["a.png"])
    assert (len(result), report.images, report.cells) == (6, 1, 6)
    again = import_into(project, path)
    assert (len(result), again.cells) == (6, 0)
    assert again.refused["the project already has this cell"].count == 6
    project.history(ids(project)["a.png"]).undo()
    assert len(result) == 0


def test_an_import_survives_save_and_kill(project, tmp_path, drawn):
    import_into(project, write(tmp_path / "x", ImageRecord(1, "a.png", None, (64, 64), drawn())))
    expected = project.result(ids(project)["a.png"]).plane(())
    project.close()
    with Project.open(project.folder) as again:
        assert again.result(ids(again)["a.png"]).plane(()).equals(expected)
        again.save()
    with Project.open(project.folder) as saved:
        assert saved.result(ids(saved)["a.png"]).plane(()).equals(expected)


def test_predictions_give_way_to_people(project, tmp_path, drawn):
    id = ids(project)["b.png"]
    project.set_predictions(id, drawn(status="predicted"), model="m")
    report = import_into(project, write(tmp_path / "x", ImageRecord(1, "b.png", None, (64, 64), drawn())))
    assert {c.status for c in project.result(id)} == {"accepted"}
    assert report.repaired["a prediction was replaced by a manual cell"].count == 6


def test_new_categories_are_the_same_on_all_images(project, tmp_path, drawn):
    records = [
        ImageRecord(1, "a.png", None, (64, 64), drawn(categories={1: "debris"})),
        ImageRecord(2, "b.png", None, (64, 64), drawn(categories={1: "debris", 7: "bud"}, category=7)),
    ]
    import_into(project, write(tmp_path / "x", *records))
    names = {id: c.name for id, c in project.categories.items()}
    assert sorted(names.values()) == ["bud", "cell", "debris"]
    for name, kind in (("a.png", "debris"), ("b.png", "bud")):
        assert {names[c.category] for c in project.result(ids(project)[name])} == {kind}


def test_images_that_the_project_lacks_are_added_where_they_are_found(project, tmp_path, drawn):
    picture(tmp_path / "x" / "c.png")
    records = [ImageRecord(n, name, None, (64, 64), drawn()) for n, name in enumerate(["c.png", "gone.png"], start=1)]
    path = write(tmp_path / "x", *records)
    report = import_into(project, path, add_images=False)
    assert "c.png" not in ids(project)
    assert report.refused["its image is not in the project"].count == 2
    report = import_into(project, path)
    assert len(project.result(ids(project)["c.png"])) == 6
    assert report.refused["its image is not in the project"].places == ["gone.png"]
    assert report.missing == ["gone.png"]


def test_a_chooser_is_asked_only_for_images_that_the_project_lacks(project, tmp_path, drawn):
    picture(tmp_path / "elsewhere" / "c.png")
    asked = []

    def choose(name):
        asked.append(name)
        return tmp_path / "elsewhere"

    records = [ImageRecord(n, f"x/{name}.png", None, (64, 64), drawn()) for n, name in enumerate("abc", start=1)]
    report = import_into(project, write(tmp_path / "x", *records), find=choose)
    assert asked == ["x/c.png"]
    assert (report.images, report.missing, len(project.images)) == (3, [], 3)


def test_annotations_of_another_size_stay_out(project, tmp_path, cells):
    other = cells(n=2, shape=(50, 64), radius=6)
    report = import_into(project, write(tmp_path / "x", ImageRecord(1, "a.png", None, (50, 64), other)))
    assert report.refused["an image and its annotations differ in size"].places == ["a.png: 50 x 64 and 64 x 64"]
    assert (report.images, report.cells) == (0, 0)
    assert len(project.result(ids(project)["a.png"])) == 0


def test_a_damaged_file_changes_nothing(project, tmp_path):
    (tmp_path / "theirs.json").write_text('{"images": [')
    before = project.unsaved, project.categories
    with pytest.raises(BadAnnotations):
        import_into(project, tmp_path / "theirs.json")
    assert (project.unsaved, project.categories) == before


def test_names_that_are_not_text_are_repaired(project, tmp_path):
    bad = "\ud800\0\n"
    item = {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[1, 1, 9, 1, 9, 9]], KEY: {"source": bad}}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 64, "width": 64, bad: bad}],
        "annotations": [item, item | {"id": bad, "category_id": bad}],
        "categories": [{"id": 7, "name": f"{bad}bud"}],
    }
    (tmp_path / "theirs.json").write_text(json.dumps(content))
    report = import_into(project, tmp_path / "theirs.json")
    str(report).encode()
    project.save()
    project.close()
    with Project.open(project.folder) as again:
        assert [c.name for c in again.categories.values()] == ["cell", "bud", "category"]
        assert [c.source for c in again.result(ids(again)["a.png"])] == ["theirs.json"] * 2


def test_a_read_only_project_refuses(project, tmp_path, drawn):
    path = write(tmp_path / "x", ImageRecord(1, "a.png", None, (64, 64), drawn()))
    with Project.open(project.folder) as second, pytest.raises(ReadOnlyProject):
        import_into(second, path)


def test_a_foreign_file_is_imported_with_its_report(project, tmp_path):
    content = {
        "images": [{"id": 0, "file_name": "/data/upload/1/0a1b2c3d-a.png", "height": 64, "width": 64}],
        "annotations": [
            {"id": 0, "image_id": 0, "category_id": 0, "segmentation": [[2, 2, 9, 2, 9, 9, 2, 9]]},
            {"id": 1, "image_id": 0, "category_id": 0, "segmentation": []},
        ],
        "categories": [{"id": 0, "name": "Cell"}],
    }
    (tmp_path / "theirs.json").write_text(json.dumps(content))
    report = import_into(project, tmp_path / "theirs.json")
    assert [c.area for c in project.result(ids(project)["a.png"])] == [49]
    assert {id: c.name for id, c in project.categories.items()} == {1: "cell"}
    assert (report.cells, report.n_refused) == (1, 1)


@pytest.fixture
def with_crowds(tmp_path, drawn):
    """A file of another program with cells and a crowd region of another category on one image."""
    cells = drawn(categories={1: "cell", 2: "debris"})
    crowd = replace(drawn(n=1, seed=5)[1], category=2)
    return write(tmp_path / "x", ImageRecord(5, "a.png", None, (64, 64), cells, crowds=(crowd,))), crowd


def test_crowd_regions_are_kept_once_through_every_save(project, with_crowds):
    path, crowd = with_crowds
    import_into(project, path)
    again = import_into(project, path)
    assert not any("crowd region is kept" in text for text in again.repaired)
    project.save()
    id, folder = ids(project)["a.png"], project.folder
    project.set_status(id, "reviewed")
    project.save()
    project.close()
    with Project.open(folder) as later:
        (region,) = later.crowds(id)[()]
        assert region.box == crowd.box
        assert np.array_equal(region.mask, crowd.mask)
        assert len(later.result(id)) == 6


def test_crowd_regions_survive_a_crash_before_saving(project, with_crowds):
    path, crowd = with_crowds
    import_into(project, path)
    id, folder = ids(project)["a.png"], project.folder
    project.close()  # without saving
    with Project.open(folder) as later:
        assert [r.box for r in later.crowds(id)[()]] == [crowd.box]
        assert later.notes == []
