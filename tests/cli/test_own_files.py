"""No command writes over a project's own files or over what it reads."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile

import other_tools
from napari_centermask import cli
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.project import Project


def in_coco(folder):
    """images/ and annotations.json."""
    other_tools.pairs(folder)
    cli.run(["convert", str(folder / "masks"), str(folder / "annotations.json"), "--from", "labels"])
    return folder


@pytest.fixture
def folder(tmp_path):
    """A saved project of one image, and cells of the image beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.zeros((64, 64), np.uint8))
    with Project.open(folder) as project:
        project.save()
    result = Result((64, 64), name="a.tif")
    result.set((), 1, Instance(1, 4, 4, np.ones((9, 9), bool)))
    write_coco(tmp_path / "cells.json", records_of(result, "a.tif"))
    return folder


@pytest.mark.parametrize(
    "tokens",
    [
        ["segment", "{0}/a.tif", "--out", "{0}", "--overwrite"],
        ["convert", "cells.json", "{0}", "--to", "coco", "--overwrite"],
        ["convert", "cells.json", "{0}/annotations.json", "--overwrite"],
        ["convert", "cells.json", "{0}/a.tif", "--to", "labels", "--overwrite"],
        ["measure", "cells.json", "--out", "{0}/annotations.json", "--images", "{0}", "--overwrite"],
        ["flatfield", "{0}/a.tif", "--out", "{0}/a.tif", "--overwrite"],
        ["evaluate", "--data", "{0}", "--json", "{0}/annotations.json"],
        ["compare", "nuclei", "nuclei", "--data", "{0}", "--json", "{0}/annotations.json"],
        ["benchmark", "--out", "{0}/project.json"],
        ["demo", "--no-window", "--out", "{0}"],
        ["train", "--data", "{0}", "--out", "{0}"],
        ["train", "--data", "{0}", "--out", "{0}/annotations.json"],
    ],
    ids=lambda tokens: tokens[0],
)
def test_a_projects_files_stay(folder, tmp_path, monkeypatch, tokens, capsys):
    monkeypatch.chdir(tmp_path)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert cli.run([t.format(folder) for t in tokens]) == 2
    err = capsys.readouterr().err
    assert "belongs to the project" in err or "is read here" in err, err
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    "tokens",
    [
        ["convert", "cells.json", "cells.json", "--to", "coco", "--overwrite"],
        ["convert", "cells.json", "a.tif", "--to", "labels", "--overwrite"],
        ["measure", "cells.json", "--out", "cells.json", "--overwrite"],
        ["flatfield", "a.tif", "--out", "a.tif", "--overwrite"],
        ["benchmark", "a.tif", "--out", "a.tif"],
        ["viability", "viability.json", "--data", "project", "--out", "."],
    ],
    ids=str,
)
def test_what_a_command_reads_stays(folder, tmp_path, monkeypatch, tokens, capsys):
    monkeypatch.chdir(tmp_path)
    (folder / "a.tif").rename(tmp_path / "a.tif")
    shutil.copy("cells.json", "viability.json")
    before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    assert cli.run(tokens) == 2
    assert "is read here" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (other_tools.labelme, "a.json"),
        (other_tools.stardist, "test/masks/g.tif"),
        (other_tools.yolo, "labels/train/a.txt"),
        (other_tools.yolo, "data.yaml"),
        (other_tools.challenge, "01_GT/TRA/man_track000.tif"),
        (in_coco, "images/a.tif"),
        (in_coco, "annotations.json"),
    ],
)
@pytest.mark.parametrize(
    "tokens",
    [
        ["evaluate", "--data", "{0}", "--json", "{1}"],
        ["evaluate", "--data", "{0}", "--figure", "{1}"],
        ["compare", "nuclei", "nuclei", "--data", "{0}", "--json", "{1}"],
        ["compare", "nuclei", "nuclei", "--data", "elsewhere", "--known", "{0}", "--json", "{1}"],
    ],
    ids=str,
)
def test_what_lies_in_a_data_folder_of_any_tool_stays(tmp_path, monkeypatch, capsys, make, file, tokens):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    folder = make(tmp_path / "data")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert cli.run([t.format(folder, folder / file) for t in tokens]) == 2
    assert "is read here" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
