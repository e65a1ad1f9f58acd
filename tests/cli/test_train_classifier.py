"""Train a classifier, classify cells and judge it, by the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord

pytest.importorskip("torch")

NAMES = {1: "living", 2: "dead"}


def _write(folder, split, n):
    rng = np.random.default_rng(n)
    records = []
    for k in range(n):
        image, cells = rng.normal(100, 3, (64, 64)), []
        for j, (y, x) in enumerate(((4, 4), (4, 34), (34, 4), (34, 34))):
            image[y : y + 12, x : x + 12] += 60 if j % 2 else -40
            cells.append(Instance(0, y, x, np.ones((12, 12), bool), category=1 if j % 2 else 2))
        path = folder / "images" / f"{split}{k}.png"
        Image.fromarray(image.astype(np.uint8)).save(path)
        records.append(ImageRecord(k + 1, path.name, path, (64, 64), Instances((64, 64), cells, categories=NAMES)))
    write_coco(folder / f"annotations_{split}.json", records)


def test_train_classify_and_judge(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for split, n in (("train", 6), ("val", 2), ("test", 2)):
        _write(tmp_path, split, n)
    model = tmp_path / "m.classifier.onnx"
    small = ["--model.side", "16", "--model.width", "4", "--epochs", "12", "--batch", "8"]
    assert cli.run(["train-classifier", "--data", str(tmp_path), "--out", str(model), *small]) == 0
    assert "12 living, 12 dead" in capsys.readouterr().out
    cells, out = tmp_path / "annotations_test.json", tmp_path / "classified.json"
    where = ["--images", str(tmp_path / "images"), "--classifier", str(model), "--out", str(out)]
    assert cli.run(["classify", str(cells), *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == {"living": 4, "dead": 4}
    classified = read_coco(out)
    assert all(len(c.probabilities) == 2 for r in classified for c in r.instances)
    assert cli.run(["classify", str(cells), *where[2:], "--overwrite"]) == 0  # images/ lies beside the cells
    assert read_coco(out)[0].instances[1].probabilities == classified[0].instances[1].probabilities
    assert cli.run(["classify", str(cells), *where]) == 2  # nothing is replaced unasked
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "report"), "--figures", "none", "--samples", "5"]
    assert cli.run(["viability", f"truth+{model}", *arguments]) == 0
    (values,) = json.loads((tmp_path / "report" / "viability.json").read_text())["ways"].values()
    assert values["per_category"]["dead"]["f1"] == 1.0
    assert cli.run(["train-classifier", "--data", str(tmp_path), "--out", str(tmp_path / "m.onnx")]) == 2
