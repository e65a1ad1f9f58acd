"""A run labels its unlabelled images with the start model before the first step, and once."""

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.settings import AugmentSettings, ModelSettings, TrainSettings
from napari_centermask.training.run import label
from napari_centermask.training.run.loop import train


@pytest.fixture
def unlabelled(settings, folder, tmp_path):
    """A short run from `nuclei` with an unlabelled image of disks."""
    (tmp_path / "more").mkdir()
    image = np.full((180, 220), 20, np.uint8)
    y, x = np.ogrid[:180, :220]
    for cy, cx in ((40, 40), (40, 120), (110, 70), (120, 160)):
        image[np.hypot(y - cy, x - cx) < 17] = 180
    Image.fromarray(image).save(tmp_path / "more" / "disks.png")
    changes = {"start": "nuclei", "unlabelled": [tmp_path / "more"], "steps": 2, "evaluate_every": 2, "batch": 1}
    kept = {"augment": AugmentSettings(), "diameter": 40.0, "unlabelled_score": 0.5}
    own = settings.model_dump(exclude={"model"}) | changes | kept  # the network is the start model's
    return TrainSettings.model_validate(own)


def test_a_run_says_what_it_labelled_and_keeps_it_when_resumed(unlabelled, monkeypatch):
    run = list(train(unlabelled, evaluate=lambda *_: {"AP": 0.5, "AP50": 0.5}))
    names = [event.name for event in run if event.event == "stage"]
    assert names[:3] == ["reading the images", "segmenting the unlabelled images", "reading the images"]
    (said,) = [event.message for event in run if event.event == "notice"]
    assert said.startswith("Of 1 unlabelled image, 1 is used: the model is sure of ")
    _, card = load_model(unlabelled.out / "best.safetensors")
    assert card.training["unlabelled"]["sure"] >= 3
    assert "unlabelled" not in card.training["settings"]
    monkeypatch.setattr(label, "load_engine", None)
    again = unlabelled.model_copy(update={"resume": True, "steps": 3})
    assert list(train(again, evaluate=lambda *_: {"AP": 0.5, "AP50": 0.5}))[-1].event == "done"


def test_a_new_run_in_the_folder_of_a_failed_one_labels_anew(unlabelled):
    list(train(unlabelled, evaluate=lambda *_: {"AP": 0.5, "AP50": 0.5}))
    (unlabelled.out / "last.pt").unlink()
    stricter = unlabelled.model_copy(update={"unlabelled_score": 1.0})
    with pytest.raises(BadImage, match="not sure of any cell"):
        list(train(stricter))


def test_a_start_model_cannot_label_for_other_categories(unlabelled, two):
    other = unlabelled.model_copy(update={"model": ModelSettings(categories=["living", "dead"])})
    with pytest.raises(BadSettings, match="finds nucleus, but this training has the categories living, dead"):
        list(train(other))
