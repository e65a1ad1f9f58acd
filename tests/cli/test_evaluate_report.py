"""`evaluate`: what its table, its JSON and its figure hold."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.models.store import zoo

pytestmark = pytest.mark.usefixtures("network")

CURVES = [{"step": 100, "seconds": 60, "loss": 1.0}, {"step": 100, "AP": 0.25, "AP50": 0.5, "training_seconds": 60.0}]


@pytest.fixture
def annotated(tmp_path, cells):
    """An image with the cells that the replaced model finds."""
    folder = tmp_path / "fields"
    (folder / "images").mkdir(parents=True)
    truth = cells(n=12, shape=(128, 160), radius=8)
    Image.fromarray(np.ones((128, 160), np.uint8)).save(folder / "images" / "1.png")
    write_coco(folder / "annotations_test.json", [ImageRecord(1, "1.png", None, truth.shape, truth)])
    return folder


@pytest.fixture
def trained(monkeypatch):
    """The card of the model has the curve of its training."""
    found = zoo.find_model("nuclei")
    card = found.card.model_copy(update={"training": {"curves": CURVES}})
    monkeypatch.setattr(zoo, "find_model", lambda name: SimpleNamespace(card=card))


def run(*tokens) -> int:
    return cli.run(["evaluate", *(str(t) for t in tokens)])


@pytest.mark.usefixtures("trained")
def test_table_json_and_figure_have_all_measures_and_the_training_of_the_model(capsys, annotated, tmp_path):
    pytest.importorskip("matplotlib")
    report, figure = tmp_path / "report.json", tmp_path / "figures" / "report.svg"
    assert run("--data", annotated, "--split", "test", "--json", report, "--figure", figure) == 0
    found = json.loads(report.read_text())
    assert found["class_map"]["miou"] == found["class_map"]["pixel_accuracy"] == found["class_map"]["dice"] == 1.0
    assert found["boundary"]["iou_matched"] == found["boundary"]["bioimage_ap_mean"] == 1.0
    assert sum(row["n"] for row in found["coco_by_size"].values()) == 12
    assert found["training_curve"] == [{"step": 100, "seconds": 60.0, "AP": 0.25, "AP50": 0.5, "AP_known": None}]
    table = capsys.readouterr().out
    for part in (
        "mIoU 1.0000",
        "Boundary IoU 1.0000",
        "COCO, large",
        "step 100      1.0 min     AP 0.2500   AP50 0.5000",
    ):
        assert part in table
    drawn = figure.read_text()
    for part in ("Bioimage AP", "COCO AP by cell size", "Class map", "minutes of training"):
        assert part in drawn


def test_predictions_of_another_program_have_no_training(capsys, annotated, tmp_path):
    report = tmp_path / "report.json"
    theirs = annotated / "annotations_test.json"
    assert run("--predictions", theirs, "--data", annotated, "--split", "test", "--json", report) == 0
    assert json.loads(report.read_text())["training_curve"] == []
    assert "training" not in capsys.readouterr().out


def test_a_figure_without_matplotlib_is_refused_before_the_work(capsys, annotated, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert run("--data", annotated, "--split", "test", "--figure", tmp_path / "report.png") != 0
    out, err = capsys.readouterr()
    assert "napari-centermask[figures]" in err
    assert out == ""
