"""Cards of classifiers of cells."""

import pytest

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.classifier_card import ClassifierCard, find_classifier, read_classifier_card
from napari_centermask.settings import ClassifierSettings


def test_live_dead_comes_with_a_classifier():
    card = read_classifier_card(find_classifier("live-dead"))
    assert card.model.categories == ["living", "dead"]
    assert card.training["data"].keys() == {"ldc_livedead"}


def test_a_card_survives_json():
    card = ClassifierCard(name="c", licence="CC0-1.0", model=ClassifierSettings(categories=["a", "b", "c"]))
    assert ClassifierCard.model_validate_json(card.to_json()) == card


def test_a_file_that_is_no_classifier_is_refused(tmp_path):
    (tmp_path / "x.classifier.onnx").write_bytes(b"not a graph")
    for path in (tmp_path / "x.classifier.onnx", tmp_path / "none.classifier.onnx"):
        with pytest.raises(BadModel):
            read_classifier_card(path)
