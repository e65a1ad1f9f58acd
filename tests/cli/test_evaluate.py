"""Models and predictions are compared with annotations by the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import other_tools
from napari_centermask import cli
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
def annotated(tmp_path, cells):
    folder = tmp_path / "fields"
    (folder / "images").mkdir(parents=True)
    records = []
    for number in (1, 2):
        Image.fromarray(np.full((128, 160), number, np.uint8)).save(folder / "images" / f"{number}.png")
        truth = cells(n=12, shape=(128, 160), radius=8)
        records.append(ImageRecord(number, f"{number}.png", None, truth.shape, truth))
    write_coco(folder / "annotations_test.json", records)
    return folder


def test_a_perfect_model_scores_one(capsys, annotated, tmp_path):
    report = tmp_path / "report.json"
    tokens = ["evaluate", "--data", annotated, "--split", "test", "--json", report, "--maps", tmp_path / "maps"]
    assert cli.run([str(t) for t in tokens]) == 0
    figures = json.loads(report.read_text())
    assert figures["bioimage_ap_mean"] == figures["f1"] == 1.0
    assert figures["n_images"] == 2
    assert "bioimage AP" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == ["1_errors.png", "2_errors.png"]


def test_error_maps_of_images_whose_names_are_alike_do_not_take_each_others_place(annotated, tmp_path):
    images = annotated / "images"
    names = ["a/1.png", "b/1.png", "b/1.tif"]
    for name in names:
        (images / name).parent.mkdir(exist_ok=True)
        Image.open(images / "1.png").save(images / name)
    (record,) = [r for r in read_coco(annotated / "annotations_test.json") if r.file_name == "1.png"]
    write_coco(
        annotated / "annotations_test.json", [replace(record, id=k, file_name=n) for k, n in enumerate(names, 1)]
    )
    tokens = ["evaluate", "--data", annotated, "--split", "test", "--maps", tmp_path / "maps"]
    assert cli.run([str(t) for t in tokens]) == 0
    made = sorted(p.name for p in (tmp_path / "maps").iterdir())
    assert made == ["a_1_errors.png", "b_1.tif_errors.png", "b_1_errors.png"]


def test_predictions_are_judged_like_a_model(annotated, tmp_path):
    predicted = [
        ImageRecord(r.id, r.file_name, None, r.shape, Instances(r.shape, list(r.instances)[:6]))
        for r in read_coco(annotated / "annotations_test.json")
    ]
    write_coco(tmp_path / "theirs.json", predicted)
    report = tmp_path / "report.json"
    tokens = ["evaluate", "--predictions", tmp_path / "theirs.json", "--data", annotated, "--split", "test"]
    assert cli.run([str(t) for t in [*tokens, "--json", report]]) == 0
    figures = json.loads(report.read_text())
    assert figures["recall"] == 0.5
    assert figures["precision"] == 1.0


def test_a_missing_split_names_those_there_are(capsys, annotated):
    assert cli.run(["evaluate", "--data", str(annotated), "--split", "val"]) == 2
    assert "annotations_test.json" in capsys.readouterr().err


def test_a_folder_whose_images_order_their_channels_differently_is_not_evaluated(
    capsys, network, tmp_path, cells, stack
):
    (tmp_path / "images").mkdir()
    records = []
    for number, names in enumerate((["a", "b", "c"], ["a", "c", "b"]), start=1):
        stack(tmp_path / "images" / f"{number}.tif", names)
        truth = cells(n=3, shape=(64, 64), radius=6)
        records.append(ImageRecord(number, f"{number}.tif", None, truth.shape, truth))
    write_coco(tmp_path / "annotations_val.json", records)
    assert cli.run(["evaluate", "--data", str(tmp_path), "--split", "val"]) == 2
    assert "1.tif has a, b, c, 2.tif a, c, b" in capsys.readouterr().err.replace("\n", " ")


def test_a_damaged_image_is_left_out_of_an_evaluation_and_named(damaged, tmp_path, capsys):
    tokens = [
        "evaluate",
        "--data",
        damaged,
        "--split",
        "test",
        "--json",
        tmp_path / "r.json",
        "--maps",
        tmp_path / "maps",
    ]
    assert cli.run([str(t) for t in tokens]) == 2
    report = json.loads((tmp_path / "r.json").read_text())
    assert [row["name"] for row in report["per_image"]] == ["1.png", "3.png"]
    assert report["f1"] == 1.0
    assert "2.png" in report["failed"][0]
    assert "2.png" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == ["1_errors.png", "3_errors.png"]


def test_a_missing_image_is_left_out_of_an_evaluation_and_named(damaged, capsys):
    (damaged / "images" / "2.png").unlink()
    assert cli.run(["evaluate", "--data", str(damaged), "--split", "test"]) == 2
    out, err = capsys.readouterr()
    assert "2 images" in out
    assert "2.png" in err


def test_a_folder_of_another_tool_is_judged_as_it_is(capsys, tmp_path):
    folder = other_tools.stardist(tmp_path / "theirs")
    assert cli.run(["convert", str(folder / "test" / "masks"), str(tmp_path / "found.json"), "--from", "labels"]) == 0
    tokens = [
        "evaluate",
        "--predictions",
        tmp_path / "found.json",
        "--data",
        folder,
        "--json",
        tmp_path / "report.json",
    ]
    assert cli.run([str(t) for t in [*tokens, "--split", "test"]]) == 0
    figures = json.loads((tmp_path / "report.json").read_text())
    assert (figures["n_images"], figures["f1"]) == (2, 1.0)
    assert "Read as pairs of images and masks" in capsys.readouterr().err
    assert cli.run([str(t) for t in tokens]) == 2
    assert "Choose one with --split" in capsys.readouterr().err
