"""`train --preview` and `finetune --preview` draw training tiles and train nothing; they need no torch."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.io import imread

from napari_centermask import cli
from napari_centermask.core.compose import label_image
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord


@pytest.fixture
def fields(tmp_path, cells):
    folder = tmp_path / "fields"
    (folder / "images").mkdir(parents=True)
    records = []
    for number, split in enumerate(("train", "val"), start=1):
        found = cells(n=8, seed=number, shape=(96, 96), radius=10)
        grey = np.where(label_image(found) > 0, 200, 20).astype(np.uint8)
        Image.fromarray(grey).save(folder / "images" / f"{split}.png")
        records.append(ImageRecord(number, f"{split}.png", None, found.shape, found))
        write_coco(folder / f"annotations_{split}.json", records[-1:])
    write_coco(folder / "annotations.json", records)
    return folder


@pytest.fixture
def run_file(fields, tmp_path):
    path = tmp_path / "run.json"
    values = {"data": [str(fields)], "out": str(tmp_path / "runs" / "first"), "diameter": 20, "tile": 96}
    path.write_text(json.dumps(values))
    return path


def run(*tokens) -> int:
    return cli.run([str(t) for t in tokens])


def test_the_tiles_of_a_run_file_are_drawn_beside_its_run_folder(capsys, run_file, tmp_path):
    assert run("train", run_file, "--preview") == 0
    picture = tmp_path / "runs" / "first_tiles.png"
    assert capsys.readouterr().out == f"Training tiles: {picture}\n"
    assert imread(picture).shape == (4 * 196 + 4, 4 * 196 + 4, 3)
    assert not (tmp_path / "runs" / "first").exists()


def test_the_file_can_be_named_and_flags_override_the_run_file(capsys, run_file, tmp_path):
    picture = tmp_path / "new" / "tiles.png"
    assert run("train", run_file, "--preview-file", picture, "--tile", "224", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"preview": str(picture)}
    assert imread(picture).shape == (4 * 228 + 4, 4 * 228 + 4, 3)


def test_a_start_model_s_network_and_inputs_are_followed(run_file, tmp_path):
    picture = tmp_path / "tiles.png"
    assert run("train", run_file, "--start", "nuclei", "--preview-file", picture) == 0
    assert picture.exists()


@pytest.mark.parametrize("name", ["tiles.jpg", "run.json"])
def test_only_a_png_is_written(capsys, run_file, tmp_path, name):
    before = run_file.read_text()
    assert run("train", run_file, f"--preview-file={tmp_path / name}") == 2
    assert "ends with .png" in capsys.readouterr().err
    assert run_file.read_text() == before


def test_data_that_the_run_would_refuse_are_refused(capsys, run_file, fields):
    (fields / "annotations_val.json").unlink()
    assert run("train", run_file, "--preview") == 2
    assert "annotations_val.json" in capsys.readouterr().err


def test_fine_tuning_writes_its_run_file_and_the_tiles(capsys, fields, tmp_path):
    out = tmp_path / "runs" / "mine"
    assert run("finetune", fields, "--out", out, "--preview") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"Training tiles: {out}_tiles.png", f"napari-centermask train {out / 'run.json'}"]
    assert Path(f"{out}_tiles.png").exists()
    assert not (out / "best.safetensors").exists()
    assert run("train", out / "run.json", "--preview-file", tmp_path / "again.png") == 0
    assert (tmp_path / "again.png").read_bytes() == Path(f"{out}_tiles.png").read_bytes()


@pytest.mark.parametrize(
    "flags",
    [["photon-noise", "1"], ["clahe", "1"], ["dim", "1"], ["empty", "1"], ["defocus", "1"], ["mixup", "1"]]
    + [["paste-light", "0.1", "0.2"]],
)
def test_augmentations_show_in_the_tiles(run_file, tmp_path, flags):
    plain, changed = tmp_path / "plain.png", tmp_path / "changed.png"
    assert run("train", run_file, "--preview-file", plain) == 0
    assert run("train", run_file, "--preview-file", changed, f"--augment.{flags[0]}", *flags[1:]) == 0
    assert plain.read_bytes() != changed.read_bytes()


def test_fine_tuning_takes_folders_of_unlabelled_images(capsys, fields, tmp_path, monkeypatch):
    (tmp_path / "more").mkdir()
    Image.fromarray(np.full((96, 96), 30, np.uint8)).save(tmp_path / "more" / "a.png")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "runs" / "mine"
    more = ["--unlabelled", "more", "--unlabelled-score", "0.8"]
    assert run("finetune", fields, "--out", out, "--dry-run", *more) == 0
    written = json.loads((out / "run.json").read_text())
    assert written["unlabelled"] == [str(tmp_path / "more")]
    assert written["unlabelled_score"] == 0.8
    assert run("finetune", fields, "--out", tmp_path / "b", "--scratch", "--dry-run", *more) == 2
    assert "--unlabelled has no effect: there is no start model" in capsys.readouterr().err
    assert run("finetune", fields, "--out", tmp_path / "c", "--dry-run", "--unlabelled-part", "0.4") == 2
    assert "--unlabelled-part has no effect: 'unlabelled' names no folder" in capsys.readouterr().err
