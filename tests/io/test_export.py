"""Exports hold what is shown, read back equal, and never separate images of one source."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadProject, BadSettings, Cancelled, CannotSave
from napari_centermask.core.tools import set_status, to_changes
from napari_centermask.io import files
from napari_centermask.io.coco.document import check_images, read_coco
from napari_centermask.io.coco.records import by_image, result_of
from napari_centermask.io.export import export
from napari_centermask.io.project import Project

SHAPE = (64, 80)


@pytest.fixture
def project(tmp_path, cells):
    """Ten images of four movies and a single one, with cells; an eleventh untouched one."""
    import tifffile

    folder = tmp_path / "experiment"
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [f"{movie}_t{t:02}.png" for movie in "ABCD" for t in range(2)] + ["E.png", "F.png"]
    for name in names:
        Image.fromarray(rng.integers(0, 255, SHAPE, np.uint8)).save(folder / name)
    tifffile.imwrite(folder / "stack.tif", np.zeros((3, *SHAPE), np.uint8), metadata={"axes": "ZYX"}, imagej=True)
    with Project.open(folder) as project:
        for image in project.images[:9]:
            project.set_predictions(image.id, cells(n=4, shape=SHAPE, radius=6, seed=image.id), model="m")
        project.set_predictions(
            11, {(0,): cells(n=3, shape=SHAPE, radius=6), (2,): cells(n=2, shape=SHAPE, radius=6)}, model="m"
        )
        yield project


def assert_equal(project, path, *, root=None):
    """The file holds exactly the shown cells of its images."""
    records = read_coco(path, images_root=root)
    for name, planes in by_image(records).items():
        flat = name.removeprefix("images/")
        image = next(i for i in project.images if i.file_name == flat)
        expected = project.result(image.id)
        result = result_of(planes)
        for index in expected.planes:
            shown = expected.visible(index)
            assert result.plane(index).ids == shown.ids
            assert all(c.equals(shown[c.id]) for c in result.plane(index))
    return records


def test_one_file_holds_what_is_shown_and_reads_back_equal(project, tmp_path):
    result = project.result(1)
    project.history(1).do("reject", to_changes(set_status(result.plane(()), [2], "rejected"), (), result))
    done = export(project, tmp_path / "out.json")
    assert done.files == [tmp_path / "out.json"]
    records = assert_equal(project, tmp_path / "out.json", root=project.folder)
    check_images(tmp_path / "out.json", records)
    assert {r.file_name for r in records} == {i.file_name for i in project.images} - {"F.png"}
    assert (done.images, done.cells) == ({"": 10}, {"": 4 * 9 - 1 + 5})


def test_an_export_says_how_far_it_is_and_writes_no_half_file_when_cancelled(project, tmp_path):
    said = []
    export(project, tmp_path / "out", per_image=True, advance=lambda done, total: said.append((done, total)))
    assert said == [(n, 10) for n in range(1, 11)]

    def cancel(done, total):
        if done == 3:
            raise Cancelled("no more")

    with pytest.raises(Cancelled):
        export(project, tmp_path / "again", per_image=True, advance=cancel)
    files = list((tmp_path / "again").rglob("*"))
    assert len([f for f in files if f.is_file()]) == 2
    assert all(len(read_coco(f)) for f in files if f.is_file())


def test_copied_images_are_found_beside_the_file(project, tmp_path):
    export(project, tmp_path / "out", copy_images=True)
    records = assert_equal(project, tmp_path / "out" / "annotations.json")
    check_images(tmp_path / "out" / "annotations.json", records)
    copied = {r.path.read_bytes() for r in records}
    assert copied == {i.path.read_bytes() for i in project.images if i.status != "untouched"}
    export(project, tmp_path / "out", copy_images=True)  # its own files are replaced
    (tmp_path / "out" / "images" / "E.png").write_bytes(b"other")
    with pytest.raises(BadSettings, match=r"E\.png"):
        export(project, tmp_path / "out", copy_images=True)


def test_a_file_for_each_image(project, tmp_path):
    done = export(project, tmp_path / "out", per_image=True, copy_images=True)
    assert len(done.files) == 10
    for path in done.files:
        records = assert_equal(project, path)
        check_images(path, records)
        assert len(by_image(records)) == 1


@pytest.mark.parametrize("per_image", [False, True])
def test_splits_keep_frames_and_planes_of_one_source_together(project, tmp_path, per_image):
    splits = {"train": 0.6, "val": 0.2, "test": 0.2}
    done = export(project, tmp_path / "out", splits=splits, per_image=per_image)
    assert sum(done.images.values()) == 10
    assert set(done.images) == set(splits)
    where: dict[str, set[str]] = {}
    for path in done.files:
        for record in assert_equal(project, path, root=project.folder):
            where.setdefault(record.extra["group"], set()).add(record.extra["split"])
    assert len(where) == 6
    assert all(len(s) == 1 for s in where.values())


def test_groups_given_by_hand_and_equal_files_stay_together(project, tmp_path):
    for id in range(1, 10):
        project.set_group(id, "dish 1" if id < 6 else "dish 2")
    with pytest.raises(BadSettings, match="sources"):
        export(project, tmp_path / "out", splits={"train": 1, "val": 1, "test": 1, "more": 1})
    project.image(9).path.write_bytes(project.image(1).path.read_bytes())
    with pytest.raises(BadSettings, match="there are 2"):
        export(project, tmp_path / "out", splits={"train": 1, "val": 1, "test": 1})


def test_other_programs_files_and_empty_projects_are_refused(project, tmp_path):
    (tmp_path / "annotations.json").write_text(json.dumps({"images": []}))
    with pytest.raises(BadSettings, match="Choose another folder"):
        export(project, tmp_path)
    with pytest.raises(BadSettings, match="Choose another folder"):
        export(project, project.folder / "project.json")
    with pytest.raises(BadSettings, match="plain word"):
        export(project, tmp_path / "out", splits={"../x": 1})
    with pytest.raises(BadProject, match="reviewed"):
        export(project, tmp_path / "out", statuses=["reviewed"])


def test_a_full_disk_leaves_no_half_file(project, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.shutil, "copyfile", refuse)
    with pytest.raises(CannotSave, match="No space left"):
        export(project, tmp_path / "out", copy_images=True)
    monkeypatch.undo()
    monkeypatch.setattr("napari_centermask.io.whole_file.os.fsync", refuse)
    with pytest.raises(CannotSave, match="No space left"):
        export(project, tmp_path / "out")
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("name", ["", "annotations.json", "project.json", "annotations.previous.json"])
@pytest.mark.parametrize("copy_images", [False, True])
def test_an_export_never_replaces_the_projects_own_files(project, name, copy_images):
    project.set_status(1, "reviewed")
    project.save()
    before = {p: p.read_bytes() for p in project.folder.rglob("*") if p.is_file()}
    with pytest.raises(BadSettings, match=r"belongs to the project.*Choose another folder"):
        export(project, project.folder / name, statuses=["reviewed"], copy_images=copy_images)
    assert {p: p.read_bytes() for p in project.folder.rglob("*") if p.is_file()} == before
