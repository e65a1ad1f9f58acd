"""Cells get categories by the command line."""

import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import read_coco

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
def classified(monkeypatch):
    """A classifier that makes all cells dead; returns the number of its calls, and at which of them a person presses Ctrl-C."""
    calls = SimpleNamespace(n=0, stop_at=None)

    def classify(plane, instances, classifier):
        calls.n += 1
        if calls.n == calls.stop_at:
            signal.raise_signal(signal.SIGINT)
        dead = [replace(c, category=2) for c in instances]
        return Instances(instances.shape, dead, categories={1: "living", 2: "dead"})

    card = SimpleNamespace(model=SimpleNamespace(categories=["living", "dead"]))
    monkeypatch.setattr(
        "napari_centermask.engines.classifier.load_classifier", lambda *_, **__: SimpleNamespace(card=card)
    )
    monkeypatch.setattr("napari_centermask.pipeline.classify.classify", classify)
    return calls


@pytest.mark.usefixtures("classified")
def test_the_cells_of_an_image_that_cannot_be_classified_are_written_as_they_were(damaged, tmp_path, capsys):
    tokens = ["classify", str(damaged / "annotations_test.json"), "--out", str(tmp_path / "c.json")]
    assert cli.run(tokens) == 2
    assert "2.png" in capsys.readouterr().err
    records = read_coco(tmp_path / "c.json")
    assert [{c.category for c in r.instances} for r in records] == [{2}, {1}, {2}]
    assert [len(r.instances) for r in records] == [12] * 3


def test_a_stopped_run_keeps_what_is_done_and_the_same_command_continues(damaged, tmp_path, capsys, classified):
    Image.fromarray(np.ones((128, 160), np.uint8)).save(damaged / "images" / "2.png")
    tokens = ["classify", str(damaged / "annotations_test.json"), "--out", str(tmp_path / "out" / "c.json")]
    classified.stop_at = 2
    assert cli.run(tokens) == 130
    assert "2 of 3 images are done" in capsys.readouterr().err
    records = read_coco(tmp_path / "out" / "c.json")
    assert [{c.category for c in r.instances} for r in records] == [{2}, {2}, {1}]
    classified.n, classified.stop_at = 0, None
    assert cli.run(tokens) == 0
    assert classified.n == 1
    records = read_coco(tmp_path / "out" / "c.json")
    assert [{c.category for c in r.instances} for r in records] == [{2}] * 3
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["c.json"]
    assert "36 dead" in capsys.readouterr().out
    assert cli.run(tokens) == 2  # it is finished: nothing is replaced unasked


def test_a_classifier_that_was_trained_again_does_not_continue_a_stopped_run(
    damaged, tmp_path, capsys, classified, monkeypatch
):
    file = tmp_path / "mine.classifier.onnx"
    file.write_bytes(b"first")
    monkeypatch.setattr("napari_centermask.models.store.classifier_card.find_classifier", lambda _: file)
    Image.fromarray(np.ones((128, 160), np.uint8)).save(damaged / "images" / "2.png")
    tokens = ["classify", str(damaged / "annotations_test.json"), "--out", str(tmp_path / "c.json")]
    classified.stop_at = 2
    assert cli.run(tokens) == 130
    file.write_bytes(b"trained again")
    classified.stop_at = None
    assert cli.run(tokens) == 2
    assert "already exists" in capsys.readouterr().err


def test_a_stopped_run_does_not_replace_what_was_changed_since(damaged, tmp_path, capsys, classified):
    Image.fromarray(np.ones((128, 160), np.uint8)).save(damaged / "images" / "2.png")
    tokens = ["classify", str(damaged / "annotations_test.json"), "--out", str(tmp_path / "c.json")]
    classified.stop_at = 1
    assert cli.run(tokens) == 130
    classified.stop_at = None
    (tmp_path / "c.json").write_text((tmp_path / "c.json").read_text() + "\n")
    assert cli.run(tokens) == 2
    assert "already exists" in capsys.readouterr().err
