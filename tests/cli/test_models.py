"""Models are listed, shown, removed and restored by the command line."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_centermask import cli
from napari_centermask.cli.models import _metric_lines
from napari_centermask.models.families import family_of
from napari_centermask.models.store import registry, zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings


def test_figures_of_each_data_set_take_one_line():
    metrics = {
        "val": {"note": "not measured"},
        "test": {"fluo": {"n_images": 59, "f1": 0.90898, "coco": {"AP": 0.6}}, "histo": {"f1": None}},
    }
    assert _metric_lines(metrics) == ["test", f"  {'fluo':<26}n_images 59  f1 0.909"]


def test_figures_of_outlines_class_maps_and_the_border_follow_on_the_line():
    values = {"f1": 0.9, "boundary": {"iou_matched": 0.75}, "class_map": {"miou": 0.5}, "area_ratio": 0.92}
    (_, line) = _metric_lines({"test": {"fluo": values | {"border": {"cut": {"recall50": 0.625}}}}})
    assert line.split("  ", 1)[1].split(maxsplit=1)[1] == (
        "f1 0.9  Boundary IoU 0.75  mIoU 0.5  predicted / annotated area 0.92  recall of cells cut by the border 0.625"
    )


def test_it_says_whether_a_classifier_comes_with_the_model(capsys):
    infos = {}
    for name in ("live-dead", "nuclei"):
        assert cli.run(["models", "info", name, "--json"]) == 0
        infos[name] = json.loads(capsys.readouterr().out)
    assert infos["live-dead"]["classifier"] == "live-dead.classifier.onnx"
    assert infos["live-dead"]["files"][-1].endswith("live-dead.classifier.onnx")
    assert infos["nuclei"]["classifier"] is None
    assert cli.run(["models", "info", "nuclei"]) == 0
    assert "\nclassifier    none\n" in capsys.readouterr().out


SMALL = ModelSettings(fpn_channels=16, mask_channels=16, maskiou_channels=16, maskiou_fc=16)


@pytest.fixture
def add(tmp_path):
    """Install a model whose card has a description."""

    def make(description):
        card = ModelCard(name="mine", licence="CC0-1.0", model=SMALL, diameter=30.0, description=description)
        tensors = {k: np.zeros(s, np.float16) for k, s in family_of(SMALL).shapes(SMALL).items()}
        save_file(tensors, tmp_path / "mine.safetensors", metadata={"card": card.to_json()})
        zoo.add_model(tmp_path / "mine.safetensors")

    return make


def restored(capsys):
    """What `models restore mine` prints, and the description of the model that came."""
    capsys.readouterr()
    assert cli.run(["models", "restore", "mine"]) == 0
    return capsys.readouterr().out, zoo.find_model("mine").card.description


@pytest.mark.usefixtures("home")
def test_of_a_removed_and_an_archived_model_the_removed_one_comes_first_and_the_other_is_named(add, capsys):
    add("first")
    registry.archive_model("mine")
    add("second")
    assert cli.run(["models", "remove", "mine"]) == 0
    text, deleted = restored(capsys)
    assert deleted == "second"
    assert text.startswith("Restored 'mine', removed on ")
    assert "more with this name: in the archive. Rename this one" in text
    registry.rename_model("mine", "other")
    assert restored(capsys) == ("Restored 'mine' from the archive\n", "first")


@pytest.mark.usefixtures("home")
def test_a_model_that_was_put_away_nowhere_is_refused(capsys):
    assert cli.run(["models", "restore", "mine"]) == 2
    assert "There is no deleted or archived model 'mine'. There are: none." in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_empty_removes_for_good_what_was_removed_and_not_the_archive(add, capsys):
    add("first")
    registry.archive_model("mine")
    add("second")
    registry.delete_model("mine")
    assert cli.run(["models", "empty"]) == 0
    assert "Deleted 1 model for good; " in capsys.readouterr().out
    assert registry.deleted_models() == []
    assert restored(capsys)[1] == "first"


@pytest.mark.usefixtures("home")
def test_the_models_are_an_array_of_objects(capsys):
    assert cli.run(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
