"""A classifier's file answers as torch does; tests/training/run/test_classifier.py trains one."""

import numpy as np
import pytest
import torch

from napari_centermask.deploy import classifier_export
from napari_centermask.deploy.parity import ParityError
from napari_centermask.engines.classifier import ClassifierEngine
from napari_centermask.models.nets.cell_classifier import CellClassifier
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.settings import ClassifierSettings

FORM = ClassifierSettings(categories=["living", "dead"], in_channels=1, side=16, width=4)


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return CellClassifier(FORM).eval(), ClassifierCard(name="c", licence="CC0-1.0", model=FORM)


def test_the_file_answers_as_torch_does(classifier, tmp_path):
    model, card = classifier
    path = tmp_path / "c.classifier.onnx"
    assert classifier_export.export_classifier(model, card, path) <= 1e-4
    engine = ClassifierEngine(path, engine="onnx")
    assert engine.card == card
    crops = np.random.default_rng(0).random((5, 2, 16, 16), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(crops)).softmax(dim=1).numpy()
    np.testing.assert_allclose(engine.probabilities(crops), expected, atol=1e-4)


def test_a_file_that_disagrees_is_not_written(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier_export, "TOLERANCE", -1.0)
    with pytest.raises(ParityError, match="Nothing was written"):
        classifier_export.export_classifier(*classifier, tmp_path / "c.classifier.onnx")
    assert list(tmp_path.iterdir()) == []
