"""Fine-tuning and comparing by the command line alone, also by two processes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import other_tools
from napari_centermask import cli
from napari_centermask.events import DoneEvent, StartEvent
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.jobs.process import Job
from napari_centermask.models.store import zoo
from napari_centermask.settings import ModelSettings, TrainSettings, UNetSettings

pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("home")

TINY = ModelSettings(
    backbone="V-19-slim-dw-eSE",
    fpn_channels=32,
    mask_channels=16,
    maskiou_channels=16,
    maskiou_fc=16,
    top_levels=0,
    in_channels=1,
    ese=False,
    head_norm="none",
    roi_levels="area",
)


@pytest.fixture
def fields(tmp_path, cells):
    folder = tmp_path / "fields"
    (folder / "images").mkdir(parents=True)
    records = []
    for number in range(3):
        instances = cells(n=8, overlap=0.0, seed=number, shape=(96, 96), radius=10)
        image = np.full(instances.shape, 20, np.uint8)
        for cell in instances:
            y0, x0, y1, x1 = cell.box
            image[y0:y1, x0:x1][cell.mask] = 200
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        records.append(ImageRecord(number + 1, f"{number}.png", None, instances.shape, instances))
    write_coco(folder / "annotations.json", records)
    return folder


@pytest.fixture
def parent(request, tmp_path):
    """A model that was never trained, to start from; a CenterMask where a test asks for no other."""
    import torch

    from napari_centermask.models.nets.build import build_model
    from napari_centermask.models.store.card import ModelCard
    from napari_centermask.models.store.checkpoint import save_model

    torch.manual_seed(0)
    form = getattr(request, "param", TINY)
    path = tmp_path / "parent.safetensors"
    values = {"model": form, "diameter": 20.0, "defaults": {"score": 0.3, "nms": 0.5}}
    save_model(path, build_model(form), ModelCard(name="parent", licence="CC0-1.0", **values))
    return path


def run(*tokens) -> int:
    return cli.run([str(t) for t in tokens])


@pytest.mark.parametrize(
    "parent", [TINY, UNetSettings(in_channels=1, width=4, depth=3)], indirect=True, ids=["cm", "unet"]
)
def test_corrected_cells_become_a_compared_model_with_its_lineage(capfd, fields, parent, tmp_path):
    out = tmp_path / "run"
    options = ("--out", out, "--steps", 2, "--batch", 2, "--tile", 64, "--workers", 0, "--json")
    assert run("finetune", fields, "--start", parent, *options) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    kinds = [e["event"] for e in events]
    assert kinds[0] == "start"
    assert kinds[-2:] == ["comparison", "done"]
    first = next(e for e in events if e["event"] == "evaluation")
    assert first["step"] == 0
    assert os.path.exists(first["samples"][0]["picture"])
    comparison = json.loads((out / "comparison.json").read_text())
    assert comparison["verdict"]["recommended"] is False  # two steps do not improve the model
    assert {"f1", "pq", "overlap", "coco"} <= set(comparison["new"])
    card = zoo.find_model(out / "best.safetensors").card
    assert card.parent == "parent"
    assert card.defaults["nms"] == 0.5
    assert card.defaults["score"] == (first["score"] or 0.3)  # chosen on the held-out images, or the parent's
    assert len(card.training["parent_sha256"]) == 64
    assert run("compare", parent, out / "best.safetensors", "--data", fields, "--json", tmp_path / "c.json") == 0
    assert "bioimage AP" in capfd.readouterr().out
    compared = json.loads((tmp_path / "c.json").read_text())
    assert compared["per_image"][0]["name"] == "0.png"
    assert compared["verdict"]["trained_on"] == [0, 3]
    assert "trained on 3 images of this comparison" in compared["verdict"]["sentence"]


def test_the_second_round_and_a_comparison_hold_out_images_that_no_model_was_trained_on(
    capfd, fields, parent, tmp_path
):
    short = ("--steps", 1, "--batch", 1, "--tile", 64, "--workers", 0)
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("finetune", fields, "--start", parent, "--out", first, *short) == 0
    trained_on = zoo.find_model(first / "best.safetensors").card.trained_on
    assert len(trained_on) == 3
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(fields / "images" / "new.png")
    records = read_coco(fields / "annotations.json", images_root=fields / "images")
    write_coco(fields / "annotations.json", [*records, replace(records[0], id=9, file_name="new.png")])
    assert run("finetune", fields, "--start", first / "best.safetensors", "--out", second, *short) == 0
    verdict = json.loads((second / "comparison.json").read_text())["verdict"]
    assert verdict["trained_on"] == [0, 0]
    both = zoo.find_model(second / "best.safetensors").card.trained_on
    assert len(both) == 4
    assert trained_on.items() <= both.items()
    models = (first / "best.safetensors", second / "best.safetensors")
    assert run("compare", *models, "--data", fields, "--held-out", "--json", tmp_path / "c.json") == 0
    compared = json.loads((tmp_path / "c.json").read_text())
    assert compared["verdict"]["trained_on"] == [0, 0]
    assert [row["name"] for row in compared["per_image"]] == ["0.png", "1.png", "2.png", "new.png"]
    assert run("compare", *models, "--data", fields, "--held-out", "--split", "val") == 2
    assert "Leave out --split" in capfd.readouterr().err


def test_a_dry_run_writes_what_train_would_do(capfd, fields, parent, tmp_path):
    assert run("finetune", fields, "--start", parent, "--out", tmp_path / "run", "--minutes", 3, "--dry-run") == 0
    settings = TrainSettings.model_validate_json((tmp_path / "run" / "run.json").read_text())
    assert settings.minutes == 3
    assert settings.compare
    assert "cells" in capfd.readouterr().err


def test_without_a_start_model_the_images_decide_and_the_reason_is_printed(capfd, tmp_path, cells, monkeypatch):
    included = Path(zoo.__file__).parents[2] / "resources" / "models"
    monkeypatch.setattr(zoo, "shipped_folder", lambda: included)
    folder, out = tmp_path / "phase", tmp_path / "run"
    (folder / "images").mkdir(parents=True)
    sample = np.asarray(Image.open(included.parent / "samples" / "cells_phase_16bit.png"))
    truth = cells(n=12, overlap=0.0, seed=0, shape=sample.shape, radius=10)
    Image.fromarray(sample).save(folder / "images" / "a.png")
    write_coco(folder / "annotations.json", [ImageRecord(1, "a.png", None, truth.shape, truth)])
    assert run("finetune", folder, "--out", out, "--dry-run") == 0
    assert json.loads((out / "run.json").read_text())["start"] == "cells"
    said = capfd.readouterr().err
    assert "start       cells    it was trained on transmitted light (phase contrast, bright field), which" in said
    assert run("finetune", folder, "--out", out, "--dry-run", "--start", "nuclei") == 0
    assert json.loads((out / "run.json").read_text())["start"] == "nuclei"
    assert "start   " not in capfd.readouterr().err


def test_one_split_of_a_folder_is_trained_on(capsys, fields, parent, tmp_path):
    (fields / "annotations.json").rename(fields / "annotations_train.json")
    options = ("--start", parent, "--out", tmp_path / "run", "--dry-run")
    assert run("finetune", fields, *options) == 2
    assert "only annotations_train.json. Choose one with --split: train." in capsys.readouterr().err
    assert run("finetune", fields, *options, "--split", "test") == 2
    assert "annotations_test.json" in capsys.readouterr().err
    assert run("finetune", fields, *options, "--split", "train") == 0
    frozen = read_coco(tmp_path / "run" / "data" / "annotations_train.json")
    assert {r.file_name for r in frozen} == {"0.png", "1.png", "2.png"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tile", "70"], "--tile: Input should be a multiple of 32, got 70"),
        (["--replay-part", "3"], "--replay-part: Input should be less than"),
        (["--adopt", "a/b"], "name can have letters"),
        (["--val-part", "0"], "between 0 and 1, not 0"),
        (["--steps", "0", "--batch", "0"], "--batch: Input should be greater than or equal to 1, got 0; --steps:"),
    ],
)
def test_a_wrong_number_is_reported_and_leaves_nothing(capsys, fields, parent, tmp_path, flags, message):
    assert run("finetune", fields, "--start", parent, "--out", tmp_path / "run", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_not_better_is_not_installed(capsys, fields, parent, tmp_path):
    options = ("--out", tmp_path / "run", "--steps", 1, "--batch", 2, "--tile", 64, "--workers", 0)
    assert run("finetune", fields, "--start", parent, *options, "--install", "mine") == 2
    assert "Not installed" in capsys.readouterr().err
    assert zoo.list_models() == []


def test_an_installed_model_is_reported_as_an_event_under_the_older_flag_too(
    capfd, fields, parent, tmp_path, monkeypatch
):
    from napari_centermask.cli import train

    def recommended(settings, _model):
        (settings.out / "comparison.json").write_text('{"verdict": {"recommended": true}}')
        yield from ()

    monkeypatch.setattr(train, "compared", recommended)
    options = ("--out", tmp_path / "run", "--steps", 1, "--batch", 2, "--tile", 64, "--workers", 0, "--json")
    assert run("finetune", fields, "--start", parent, *options, "--adopt", "mine") == 0
    last = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (last["event"], last["name"]) == ("adopted", "mine")
    assert zoo.find_model("mine").graphs


def test_a_comparison_that_is_short_of_memory_is_explained_and_nothing_is_installed(capfd, fields, parent, monkeypatch):
    from napari_centermask.evaluation import compare_models

    def short(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(compare_models, "compare_models", short)
    options = ("--steps", 1, "--batch", 2, "--tile", 64, "--workers", 0, "--device", "cpu", "--json")
    assert run("finetune", fields, "--start", parent, "--out", fields / "run", *options, "--adopt", "mine") == 2
    last = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (last["event"], last["reason"], last["remedy"]) == ("failed", "memory", {})
    assert "Out of memory while comparing" in last["message"]
    assert (fields / "run" / "best.safetensors").exists()
    assert zoo.list_models() == []


@pytest.fixture
def settings(fields, tmp_path):
    (fields / "annotations.json").rename(fields / "annotations_train.json")
    (fields / "annotations_val.json").write_bytes((fields / "annotations_train.json").read_bytes())
    values = {"tile": 64, "batch": 2, "steps": 3, "warmup": 1, "diameter": 20, "workers": 0, "amp": "off"}
    return TrainSettings(data=[fields], out=tmp_path / "run", model=TINY, device="cpu", **values)


@pytest.mark.usefixtures("jobs_at_once")
def test_a_job_trains_in_a_separate_process(settings):
    job = Job.start(settings)
    for _ in job.follow():
        pass
    assert job.state == "done", job.failure
    assert job.last(DoneEvent).step == 3
    assert zoo.find_model(job.model).card.training["steps"] == 3
    job.settings.model_copy(update={"steps": 4})
    job.retry(steps=4)
    for _ in job.follow():
        pass
    assert job.last(StartEvent).step == 3
    assert job.last(DoneEvent).step == 4


@pytest.fixture
def train_by_two(settings):
    """Train with two CPU processes; returns what the command wrote, as events."""

    def train(*target, **changes):
        settings.out.mkdir()
        path = settings.out / "run.json"
        path.write_text(settings.model_copy(update=changes).model_dump_json())
        command = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]
        command += [*map(str, target), "train", str(path), "--json"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, timeout=250)
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    return train


def test_two_processes_train_one_model_by_the_same_command(train_by_two):
    events = train_by_two("-m", "napari_centermask")
    assert [e["event"] for e in events].count("start") == 1
    assert events[-1]["event"] == "done"
    assert events[-1]["step"] == 3


SHORT_OF_MEMORY = """
import os, sys
from napari_centermask import cli
from napari_centermask.training.families import centermask
suffices = centermask.batch_losses
def short(model, images, truths, *losses, **options):
    if os.environ["RANK"] == "1" and len(images) > 1:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    return suffices(model, images, truths, *losses, **options)
centermask.batch_losses = short
sys.exit(cli.run(sys.argv[1:]))
"""


def test_two_processes_halve_their_batch_together_when_one_is_short_of_memory(train_by_two, tmp_path):
    script = tmp_path / "short.py"
    script.write_text(SHORT_OF_MEMORY)
    events = train_by_two(script, batch=4)
    (notice,) = [e for e in events if e["event"] == "notice"]
    assert notice["batch"] == 2
    assert events[-1]["event"] == "done"
    assert events[-1]["step"] == 3


def test_the_splits_of_another_tool_are_those_of_the_run(capfd, parent, tmp_path):
    folder = other_tools.roboflow(tmp_path / "theirs")
    assert run("finetune", folder, "--start", parent, "--out", tmp_path / "run", "--dry-run") == 0
    assert "Read as YOLO segmentation: train of theirs, 3 images with 18 cells." in capfd.readouterr().err
    names = {
        split: len(read_coco(tmp_path / "run" / "data" / f"annotations_{split}.json")) for split in ("train", "val")
    }
    assert names == {"train": 3, "val": 2}


@pytest.mark.parametrize("network", ["centermask", "unet", "maskrcnn"])
def test_a_new_network_of_each_family_is_planned_for_the_data(capfd, fields, tmp_path, network):
    options = ("--scratch", "--network", network, "--out", tmp_path / "run", "--dry-run")
    assert run("finetune", fields, *options) == 0
    settings = TrainSettings.model_validate_json((tmp_path / "run" / "run.json").read_text())
    assert settings.start is None
    assert (settings.model.family, settings.model.in_channels) == (network, 1)


def test_a_new_mask_rcnn_is_trained_with_flags_for_its_form_continued_and_installed(capfd, fields, tmp_path):
    out = tmp_path / "run"
    assert run("finetune", fields, "--scratch", "--network", "maskrcnn", "--out", out, "--steps", 2, "--dry-run") == 0
    small = ("--model.resnet", "R-18", "--model.pyramid-channels", 16, "--model.box-fc", 16, "--model.roi-size", 8)
    small += ("--model.mask-head-convs", 1, "--model.mask-head-channels", 16, "--regions.mask", 2, "--tile", 64)
    small += ("--batch", 2, "--workers", 0, "--device", "cpu", "--json")
    assert run("train", out / "run.json", *small) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    parts = {"loss_objectness", "loss_rpn_box", "loss_category", "loss_box", "loss_mask"}
    assert parts <= set(next(e for e in events if e["event"] == "step"))
    model = zoo.find_model(out / "best.safetensors").card.model
    assert (model.roi_size, model.anchor_sizes) == (8, [16, 32, 64, 128, 256])
    assert run("train", out / "run.json", "--resume", "--steps", 3, "--json") == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["step"] == 3
    assert run("models", "add", out / "best.safetensors", "--name", "mine") == 0
    assert run("segment", fields / "images" / "0.png", "--model", "mine", "--out", tmp_path / "cells") == 0
    assert run("export", "mine") == 2
    assert "A Mask R-CNN has no ONNX graphs" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--network", "maskrcnn"], "--network has no effect: the network is that of the start model. Add --scratch"),
        (["--scratch", "--network", "stars"], "--network: expected centermask or unet or maskrcnn, got stars."),
    ],
)
def test_a_network_that_cannot_be_made_is_refused_before_data_are_copied(capsys, fields, tmp_path, flags, message):
    assert run("finetune", fields, "--out", tmp_path / "run", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_anchors_that_cannot_hold_the_cells_are_refused_before_training(capsys, fields, tmp_path):
    out = tmp_path / "run"
    assert run("finetune", fields, "--scratch", "--network", "maskrcnn", "--out", out, "--dry-run") == 0
    assert run("train", out / "run.json", "--model.anchor-sizes", 16, 32, 64) == 2
    assert "expected 5 sizes, one for each level of the pyramid" in capsys.readouterr().err
    assert run("train", out / "run.json", "--model.anchor-sizes", 128, 256, 512, 1024, 2048) == 2
    assert (
        "anchors of 128 256 512 1024 2048 pixels overlap cells of 40 pixels by at most 0.10" in capsys.readouterr().err
    )
