"""Files appear whole or not at all, whatever the disk or the name does."""

from __future__ import annotations

import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_centermask.core.errors import CannotSave
from napari_centermask.io.files import remove_parts
from napari_centermask.io.whole_file import whole_file, whole_files


def test_a_failed_block_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError), whole_file(path) as part:
        part.write_text("half" * 10_000 + "ä", encoding="ascii")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "before")]


def test_the_file_before_is_kept_under_another_name(tmp_path):
    path, previous = tmp_path / "a.txt", tmp_path / "a.previous.txt"
    for text in ("one", "two", "three"):
        with whole_file(path, previous=previous) as part:
            part.write_text(text)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "three", "a.previous.txt": "two"}


def test_a_folder_takes_the_place_of_a_folder_and_a_file_never_does(tmp_path):
    folder = tmp_path / "x.zarr"
    for text in ("one", "two"):
        with whole_file(folder) as part:
            part.mkdir()
            (part / text).write_text(text)
    assert [p.name for p in folder.iterdir()] == ["two"]
    with pytest.raises(CannotSave, match=r"x\.zarr.*Choose a name"), whole_file(folder) as part:
        part.write_text("a file")
    assert [p.name for p in tmp_path.rglob("*")] == ["x.zarr", "two"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_colleagues_can_read_a_file_whatever_library_wrote_it(tmp_path):
    def mode(path):
        return oct(path.stat().st_mode & 0o777)

    usual, path, others = (tmp_path / name for name in ("usual.txt", "model.safetensors", "graph.onnx"))
    usual.touch()
    for _ in range(2):
        with whole_file(path) as part:
            save_file({"a": np.zeros(3)}, str(part))  # readable for its owner only
        with whole_files([others]) as (part,):
            part.touch(mode=0o600)
        assert mode(path) == mode(others) == mode(usual)
    path.chmod(0o664)  # a folder that a group shares
    with whole_file(path) as part:
        part.write_text("new")
    assert mode(path) == "0o664"
    path.chmod(0o444)
    with whole_file(path) as part:
        part.write_text("newer")
    assert mode(path) == "0o644"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["graph.onnx", "model.safetensors", "usual.txt"]


def write_all(paths):
    with whole_files(paths) as parts:
        for part in parts:
            part.write_text("new")


def test_files_that_belong_together_are_all_new_or_all_as_before(tmp_path):
    paths = [tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt"]
    paths[0].write_text("before")
    paths[2].mkdir()
    with pytest.raises(CannotSave):
        write_all(paths)
    assert paths[0].read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "c.txt"]
    paths[2].rmdir()
    write_all(paths)
    assert [p.read_text() for p in sorted(tmp_path.iterdir())] == ["new"] * 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 300, "shorter name"),
        ("a\0b", "NUL"),
        ("file/x.txt", "Choose another folder"),
        ("pipe", "a device, not a file"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_the_work(tmp_path, name, message):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CannotSave, match=message), whole_file(tmp_path / name):
        pytest.fail("the work began")


def test_the_longest_name_that_the_disk_takes_can_be_written(tmp_path):
    path = tmp_path / ("ä" * 127)
    with whole_file(path) as part:
        part.write_text("whole")
    assert path.read_text() == "whole"


def test_a_full_disk_names_the_file_and_the_way_out(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(CannotSave, match=r"a\.bin.*Make room"), whole_file(path) as part:
            part.write_bytes(bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"before")]


def test_an_error_of_another_file_passes_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), whole_file(tmp_path / "a.txt"):
        (tmp_path / "other").read_bytes()


def test_what_a_killed_process_left_is_removed(tmp_path):
    for name in (".a.json.77.part", "a.json.77.part", "b.json.77.part"):
        (tmp_path / name).write_text("half")
    remove_parts(tmp_path, ["a.json"])
    assert [p.name for p in tmp_path.iterdir()] == ["b.json.77.part"]
