"""`--scales` and `--more-models` with the shipped models, and where they are refused."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage.io import imread

from napari_centermask import cli
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord


@pytest.fixture
def data(tmp_path, cells):
    """One annotated image of bright cells."""
    (tmp_path / "fields" / "images").mkdir(parents=True)
    truth = cells(n=6, overlap=0.0, seed=2, shape=(128, 160), radius=12)
    image = np.full(truth.shape, 20, np.uint8)
    for cell in truth:
        y0, x0, y1, x1 = cell.box
        image[y0:y1, x0:x1][cell.mask] = 200
    Image.fromarray(image).save(tmp_path / "fields" / "images" / "a.png")
    truth.categories = {1: "nucleus"}
    write_coco(tmp_path / "fields" / "annotations.json", [ImageRecord(1, "a.png", None, truth.shape, truth)])
    return tmp_path / "fields"


def run(*tokens) -> int:
    return cli.run([str(t) for t in tokens])


def test_two_models_of_two_families_segment_and_are_evaluated_at_two_sizes(capsys, data, tmp_path):
    looks = ["--more-models", "unet-nuclei", "--scales", "1", "1.3", "--diameter", "24"]
    image = data / "images" / "a.png"
    assert run("segment", image, "--out", tmp_path / "out", *looks) == 0
    assert imread(tmp_path / "out" / "a_labels.tif").max() >= 5
    assert run("evaluate", "--data", data, "--json", tmp_path / "report.json", *looks) == 0
    assert "nuclei + unet-nuclei on " in capsys.readouterr().err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["bioimage_ap"]["0.50"] > 0.7
    assert report["score"] == pytest.approx((0.56 + 0.4) / 2)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (
            ["rank", "{image}", "--more-models", "unet-nuclei"],
            "--more-models has no effect: images are ranked by one model",
        ),
        (["segment", "{image}", "--more-models", "nuclei"], "'nuclei' twice"),
        (["segment", "{image}", "--more-models", "live-dead"], "same categories"),
        (["segment", "{image}", "--model", "unet-nuclei", "--maps", "--scales", "1", "2"], "made from one look"),
        (
            ["evaluate", "--data", "{data}", "--model", "unet-nuclei", "--class-maps", "--more-models", "nuclei"],
            "one look",
        ),
        (["segment", "{image}", "--scales", "0"], "between 0.25 and 4"),
    ],
)
def test_what_cannot_work_is_refused(capsys, data, tmp_path, tokens, said):
    places = {"image": data / "images" / "a.png", "data": data}
    out = ["--out", tmp_path / "out"] if tokens[0] == "segment" else []
    assert run(*(token.format(**places) for token in tokens), *out) == 2
    assert said in capsys.readouterr().err


def test_models_that_call_their_single_category_differently_segment_together(data, tmp_path):
    assert run("segment", data / "images" / "a.png", "--out", tmp_path / "out", "--more-models", "cells") == 0
    assert imread(tmp_path / "out" / "a_labels.tif").max() >= 5
    written = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [category["name"] for category in written["categories"]] == ["nucleus"]


def test_a_flag_of_one_family_is_taken_where_a_model_of_it_is_among_them(data, tmp_path):
    image = data / "images" / "a.png"
    assert (
        run(
            "segment", image, "--out", tmp_path / "out", "--more-models", "unet-nuclei", "--seed", "0.3", "--nms", "0.5"
        )
        == 0
    )
