"""Nothing is written over a project's own files or over what is read."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.own_files import check_target, check_targets
from napari_centermask.io.project import Project
from napari_centermask.io.whole_file import whole_file, whole_files


@pytest.fixture
def folder(tmp_path):
    """A saved project with an image of its own and a linked one."""
    folder = tmp_path / "project"
    (folder / "images").mkdir(parents=True)
    tifffile.imwrite(folder / "images" / "a.tif", np.zeros((8, 8), np.uint8))
    tifffile.imwrite(tmp_path / "linked.tif", np.zeros((8, 8), np.uint8))
    with Project.open(folder) as project:
        project.add_images([tmp_path / "linked.tif"])
        project.save()
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "annotations.json",
        "annotations.previous.json",
        "project.json",
        "project.previous.json",
        "journal.jsonl",
        ".lock",
        "images/a.tif",
        "../linked.tif",
        "runs/../annotations.json",
    ],
)
def test_only_the_project_writes_its_files(folder, name):
    target = folder / name
    before = target.read_bytes() if target.exists() else None
    if name == "../linked.tif":  # it is known as the project's only from there
        check_target(target)
        return
    with pytest.raises(BadSettings, match=r"belongs to the project.*Choose another folder"), whole_file(target):
        pytest.fail("the work began")
    with pytest.raises(BadSettings), whole_files([folder / "new.json", target]):
        pytest.fail("the work began")
    assert (target.read_bytes() if target.exists() else None) == before


def test_other_files_in_a_project_may_be_written(folder):
    for name in ("cells.csv", "export/annotations.json", "images/b.tif", "annotations_train.json"):
        with whole_file(folder / name) as part:
            part.write_text("new")
        assert (folder / name).read_text() == "new"


def test_a_folder_that_is_a_project_is_not_replaced(folder):
    zarr = folder.with_name("project.zarr")
    folder.rename(zarr)
    with pytest.raises(BadSettings, match="belongs to the project"), whole_file(zarr):
        pytest.fail("the work began")


def test_a_link_to_a_project_is_seen_through(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(BadSettings, match="belongs to the project"):
        check_target(tmp_path / "link" / "annotations.json")


def test_a_damaged_project_is_protected_too(folder):
    (folder / "project.json").write_bytes(b"damaged")
    with pytest.raises(BadSettings, match="belongs to the project"):
        check_target(folder / "annotations.json")


def test_a_project_json_of_another_program_is_not_a_project(tmp_path):
    (tmp_path / "project.json").write_text('{"format": "other"}')
    check_target(tmp_path / "annotations.json")


def test_what_is_read_is_not_written_over_under_any_name(tmp_path):
    image = tmp_path / "a.tif"
    image.write_bytes(b"pixels")
    os.link(image, tmp_path / "same.tif")
    (tmp_path / "link.tif").symlink_to(image)
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "0").write_bytes(b"")
    for name in ("a.tif", "same.tif", "link.tif", f"../{tmp_path.name}/a.tif"):
        with pytest.raises(BadSettings, match=r"is read here.*Choose another name"):
            check_targets([tmp_path / name], [image])
    with pytest.raises(BadSettings, match=r"x\.zarr is read here"):
        check_targets([tmp_path / "x.zarr"], [tmp_path / "x.zarr" / "0"])
    check_targets([tmp_path / "b.tif", tmp_path / "x.zarr" / "1"], [image])


def test_many_targets_and_inputs_take_no_more_steps_than_files(tmp_path):
    def steps(n):
        inputs, targets = ([tmp_path / name / f"{k}.tif" for k in range(n)] for name in ("in", "out"))
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        try:
            check_targets(targets, inputs)
        finally:
            sys.setprofile(None)
        return calls

    assert steps(80) < 5 * steps(20)
