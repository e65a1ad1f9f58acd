"""From annotated images to a model that the other engines run, by the command line alone."""

import json

import numpy as np
import pytest
from PIL import Image

import other_tools
from napari_centermask import cli
from napari_centermask.core.compose import label_image
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.models.store.registry import weights_hash
from napari_centermask.models.store.zoo import find_model

pytest.importorskip("torch")
loop = pytest.importorskip("napari_centermask.training.run.loop")
pytestmark = pytest.mark.usefixtures("home")

TINY = [
    *("--model.backbone", "V-19-slim-dw-eSE", "--model.fpn-channels", "32", "--model.mask-channels", "16"),
    *("--model.maskiou-channels", "16", "--model.maskiou-fc", "16", "--model.top-levels", "0"),
    *(
        "--tile",
        "64",
        "--batch",
        "2",
        "--steps",
        "2",
        "--warmup",
        "1",
        "--diameter",
        "20",
        "--workers",
        "0",
        "--amp",
        "off",
    ),
]


@pytest.fixture
def fields(tmp_path, cells):
    folder = tmp_path / "fields"
    (folder / "images").mkdir(parents=True)
    for number, split in enumerate(("train", "val", "test"), start=1):
        instances = cells(n=8, seed=number, shape=(96, 96), radius=10)
        Image.fromarray(np.where(label_image(instances) > 0, 200, 20).astype(np.uint8)).save(
            folder / "images" / f"{split}.png"
        )
        write_coco(
            folder / f"annotations_{split}.json", [ImageRecord(1, f"{split}.png", None, instances.shape, instances)]
        )
    return folder


def run(*tokens) -> int:
    return cli.run([str(t) for t in tokens])


def test_a_model_is_trained_exported_installed_and_evaluated(capfd, fields, tmp_path):
    out = tmp_path / "run"
    assert run("train", "--data", fields, "--out", out, "--json", *TINY) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [e["event"] for e in events][0] == "start"
    assert events[-1]["event"] == "done"
    assert run("export", out / "best.safetensors") == 0
    assert run("models", "add", out / "best.safetensors", "--name", "mine") == 0
    report = tmp_path / "report.json"
    assert (
        run("evaluate", "--model", "mine", "--engine", "onnx", "--data", fields, "--split", "test", "--json", report)
        == 0
    )
    assert json.loads(report.read_text())["n_images"] == 1
    assert run("train", out / "run.json", "--resume", "--steps", "3") == 0
    printed = capfd.readouterr().out
    assert "step 3" in printed
    assert printed.splitlines()[-1].startswith(f"AP over steps and time: {out / 'ap.'}")


def test_a_start_model_that_goes_away_meanwhile_is_compared_with_all_the_same(capfd, fields, tmp_path, monkeypatch):
    out, parent = tmp_path / "run", tmp_path / "parent.safetensors"
    assert run("train", "--data", fields, "--out", tmp_path / "parent", *TINY) == 0
    (tmp_path / "parent" / "best.safetensors").rename(parent)
    train = loop.train

    def losing(settings):
        for event in train(settings):
            if event.event == "stage" and event.name == "training":
                parent.rename(tmp_path / "archived.safetensors")
            yield event

    monkeypatch.setattr(loop, "train", losing)
    capfd.readouterr()
    assert run("train", "--data", fields, "--out", out, "--start", parent, "--compare", "--json", *TINY[10:]) == 0
    kinds = [json.loads(line)["event"] for line in capfd.readouterr().out.splitlines()]
    assert kinds[-2:] == ["comparison", "done"]
    assert json.loads((out / "comparison.json").read_text())["models"]["old"] == str(parent)
    assert find_model(out).name == "run"  # the folder still names one model
    monkeypatch.setattr(loop, "train", train)
    capfd.readouterr()
    assert (
        run("train", out / "run.json", "--resume", "--model.fpn-channels", 64) == 2
    )  # its copy still decides the network
    assert "--model.fpn-channels has no effect" in capfd.readouterr().err
    assert run("train", out / "run.json", "--resume", "--steps", 4) == 0  # and the run continues without it
    assert find_model(out).card.training["parent_sha256"] == weights_hash(tmp_path / "archived.safetensors")


def test_training_on_a_folder_without_annotations_says_so(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert run("train", "--data", tmp_path / "empty", "--out", tmp_path / "run", *TINY) == 2
    assert "has no annotations.json, and no training data that are recognised" in capsys.readouterr().err


def test_an_earlier_run_is_not_written_over(capsys, fields, tmp_path):
    (tmp_path / "last.pt").write_bytes(b"hours of work")
    assert run("train", "--data", fields, "--out", tmp_path, *TINY) == 2
    assert "--resume" in capsys.readouterr().err
    assert (tmp_path / "last.pt").read_bytes() == b"hours of work"
    assert not (tmp_path / "run.json").exists()


def test_resuming_without_a_checkpoint_says_so(capsys, fields, tmp_path):
    assert run("train", "--data", fields, "--out", tmp_path / "run", "--resume", *TINY) == 2
    assert "resume from" in capsys.readouterr().err


@pytest.mark.parametrize("make", [other_tools.stardist, other_tools.yolo], ids=["StarDist", "YOLO"])
def test_a_folder_of_another_tool_is_trained_on_as_it_is(capfd, tmp_path, make):
    out, folder = tmp_path / "run", make(tmp_path / "theirs")
    assert run("train", "--data", folder, "--out", out, "--json", *TINY) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["start", "done"]
    said = [event["message"] for event in events if event["event"] == "notice"]
    assert said[0].startswith("Read as ")
    assert f"train of theirs, {6 if make is other_tools.stardist else 4} images with " in said[0]
    assert run("train", out / "run.json", "--resume", "--steps", "3") == 0
    assert "step 3" in capfd.readouterr().out


def test_a_folder_of_another_tool_is_drawn_as_tiles(capfd, tmp_path):
    folder = other_tools.labelme(tmp_path / "theirs")
    assert run("train", "--data", folder, "--out", tmp_path / "run", "--preview", *TINY) == 0
    assert (tmp_path / "run_tiles.png").is_file()
    assert "Read as LabelMe" in capfd.readouterr().err


def test_a_folder_with_an_image_without_a_mask_is_refused(capfd, tmp_path):
    folder = other_tools.pairs(tmp_path / "theirs")
    (folder / "masks" / "c_mask.png").unlink()
    assert run("train", "--data", folder, "--out", tmp_path / "run", *TINY) == 2
    assert "1 image (c.tif)" in capfd.readouterr().err
