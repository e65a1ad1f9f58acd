"""What the shipped models promise."""

import pytest

from napari_centermask.models.store.zoo import find_model

LARGEST_MB = 30


def test_live_dead_says_what_it_is_and_stays_small():
    files = find_model("live-dead")
    assert files.shipped
    assert files.graphs is not None
    assert files.size < LARGEST_MB * 1e6
    card = files.card
    assert card.model.categories == ["living", "dead"]
    assert any("box AP and classification only" in limit for limit in card.limits)
    figures = card.metrics["test"]["ldc_livedead"]
    assert figures["per_category"]["dead"]["f1"] >= 0.85
    assert figures["roc_auc"] >= 0.95
    assert "bioimage_ap" not in figures  # its masks are weak
    assert card.temperature != 1


@pytest.mark.parametrize("name", ["nuclei", "live-dead"])
def test_cards_name_no_path_of_a_machine(name):
    text = find_model(name).card.to_json()
    assert "/work" not in text
    assert "/tmp" not in text
