"""Methods that assign categories are compared by the command line; none of them needs a network here."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation import methods
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord

SHAPE = (60, 60)


def cell(y, x, category, probabilities=()):
    return Instance(0, y, x, np.ones((10, 10), bool), category=category, probabilities=probabilities, score=0.9)


def cells(*found):
    return Instances(SHAPE, found, categories={1: "living", 2: "dead"})


@pytest.fixture
def folder(tmp_path):
    """Six images of a living and a dead cell each, and two files of predictions for val and test."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for split in ("val", "test"):
        truth, sure, unsure = [], [], []
        for k in range(6):
            path = tmp_path / "images" / f"{split}{k}.png"
            Image.fromarray(rng.integers(0, 255, SHAPE, dtype=np.uint8)).save(path)
            dead = 0.6 + 0.05 * k if k else 0.2  # the first is wrong
            sets = (
                (truth, cells(cell(5, 5, 1), cell(30, 30, 2))),
                (sure, cells(cell(5, 6, 1, (0.9, 0.1)), cell(30, 31, 1 + (dead > 0.5), (1 - dead, dead)))),
                (unsure, cells(cell(30, 30, 2, (0.1, 0.9)))),
            )
            for records, instances in sets:
                records.append(ImageRecord(k + 1, path.name, path, SHAPE, instances))
        write_coco(tmp_path / f"annotations_{split}.json", truth)
        write_coco(tmp_path / f"sure_{split}.json", sure)
        write_coco(tmp_path / f"unsure_{split}.json", unsure)
    return tmp_path


def test_the_command_compares_files_and_their_ensemble(folder, capsys):
    files = [str(folder / f"{name}_{{split}}.json") for name in ("sure", "unsure")]
    arguments = ["--data", str(folder), "--ensemble", "mean", "--out", str(folder / "out"), "--samples", "20"]
    assert cli.run(["viability", *files, *arguments, "--figures", "svg"]) == 0
    data = json.loads((folder / "out" / "viability.json").read_text())["ways"]
    first, second, both = data.values()
    assert (first["found"], first["cells"]) == (12, 12)
    assert first["per_category"]["dead"]["recall"] == pytest.approx(5 / 6)
    assert first["roc_auc"] == 1.0  # its order is right
    assert second["found"] == 6
    assert both["found"] == 12
    assert both["per_category"]["dead"]["recall"] == 1.0  # the other one is surer
    assert first["temperature"] != 1.0
    rows = (folder / "out" / "viability.csv").read_text().splitlines()
    assert len(rows) == 4
    assert "<svg" in (folder / "out" / "curves.svg").read_text()
    assert "mean of 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--ensemble", "sum"], "mean, vote or none"),
        (["--positive", "yeast"], "living, dead"),
        (["--weights", "1", "2"], "must be 1 numbers"),
        (["--figures", "gif"], "png, svg or none"),
        (["--split", "train"], "annotations_train.json"),
    ],
)
def test_mistakes_are_reported(folder, capsys, extra, message):
    method = str(folder / "sure_{split}.json")
    assert cli.run(["viability", method, "--data", str(folder), *extra]) == 2
    assert message in capsys.readouterr().err


def test_a_file_of_other_images_is_refused_and_not_judged_as_empty(folder, capsys):
    method = str(folder / "sure_val.json")
    assert cli.run(["viability", method, "--data", str(folder)]) == 2
    assert "sure_val.json has no cells of test0.png" in capsys.readouterr().err
    method = str(folder / "sure_test.json")
    assert cli.run(["viability", method, "--data", str(folder)]) == 2
    assert "--calibrate none" in capsys.readouterr().err
    assert cli.run(["viability", method, "--data", str(folder), "--calibrate", "none", "--samples", "2"]) == 0


def test_cells_of_another_size_are_refused(folder, capsys):
    path = folder / "sure_test.json"
    values = json.loads(path.read_text())
    values["annotations"] = []
    for image in values["images"]:
        image["height"] = 30
    path.write_text(json.dumps(values))
    assert cli.run(["viability", str(path), "--data", str(folder), "--calibrate", "none"]) == 2
    assert "test0.png is annotated as 60 x 60, but it is 30 x 60" in capsys.readouterr().err


def test_an_image_that_is_missing_is_left_out_of_the_table_and_named(folder, capsys):
    (folder / "images" / "test0.png").unlink()
    method = str(folder / "sure_{split}.json")
    assert cli.run(["viability", method, "--data", str(folder), "--samples", "2", "--out", str(folder / "out")]) == 2
    assert "test0.png" in capsys.readouterr().err
    row = json.loads((folder / "out" / "viability.json").read_text())["ways"][method]
    assert (row["cells"], row["found"]) == (10, 10)


def test_an_image_that_cannot_be_classified_is_left_out_of_the_table_and_named(folder, capsys, monkeypatch):
    def classify(plane, cells, classifier):
        if plane.max() == 0:
            raise MemoryError
        return cells

    monkeypatch.setattr(methods, "classify", classify)
    monkeypatch.setattr(methods, "load_classifier", lambda name: object())
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(folder / "images" / "val3.png")
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(folder / "images" / "test3.png")
    method = f"{folder / 'sure_{split}.json'}+any"
    assert cli.run(["viability", method, "--data", str(folder), "--samples", "2", "--out", str(folder / "out")]) == 2
    err = capsys.readouterr().err
    assert "test3.png" in err
    assert "val3.png" in err
    assert json.loads((folder / "out" / "viability.json").read_text())["ways"][method]["cells"] == 10


@pytest.fixture
def stopping(monkeypatch):
    """Two models that find one cell in each image; returns at which of all images a person presses Ctrl-C."""
    stop = SimpleNamespace(at=0, n=0)

    def predict(image, indices):
        stop.n += 1
        if stop.n == stop.at:
            raise KeyboardInterrupt
        return [cells(cell(5, 5, 1, (0.9, 0.1)), cell(30, 30, 2, (0.1, 0.9)))]

    card = SimpleNamespace(defaults={}, model=SimpleNamespace(categories=["living", "dead"]))
    monkeypatch.setattr(methods, "load_chosen", lambda *_, **__: SimpleNamespace(card=card))
    monkeypatch.setattr(methods, "predictor", lambda *_: predict)
    monkeypatch.setattr(methods, "with_card_defaults", lambda *_: SimpleNamespace(score=0.5))
    monkeypatch.setattr("napari_centermask.cli.viability._check_flags", lambda *_: None)
    return stop


@pytest.mark.parametrize(("at", "found"), [(4, [6]), (10, [12]), (13, [12]), (16, [6, 6])])
def test_a_stopped_comparison_reports_what_is_done(folder, capsys, stopping, at, found):
    stopping.at = at  # test images of the first model, its val images, and those of the second
    arguments = ["--data", str(folder), "--out", str(folder / "out"), "--samples", "5", "--figures", "none"]
    assert cli.run(["viability", "one", "two", *arguments]) == 130
    rows = json.loads((folder / "out" / "viability.json").read_text())["ways"]
    assert [row["found"] for row in rows.values()] == found
    assert "These are the figures of" in capsys.readouterr().err


def test_a_comparison_of_which_nothing_is_done_reports_nothing(folder, stopping):
    stopping.at = 1
    assert cli.run(["viability", "one", "--data", str(folder), "--out", str(folder / "out")]) == 130
    assert not (folder / "out").exists()
