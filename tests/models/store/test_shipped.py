"""What the shipped models promise."""

from pathlib import Path

import pytest

import napari_centermask as ncm
from napari_centermask.models.store.zoo import find_model

SAMPLES = Path(__file__).parents[3] / "resources" / "samples"
LARGEST_MB = 30
ALL_MB = 60


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


def test_live_dead_finds_few_cells_without_being_told_how_large_they_are():
    cells = ncm.segment(SAMPLES / "livedead_brightfield.png", "live-dead")
    assert len(cells) == 7  # 2 with a card that did not say the sizes of its training cells


def test_all_models_with_their_samples_of_training_data_take_at_most_60_mb():
    folder = find_model("nuclei").weights.parent.parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < ALL_MB * 1e6


def test_nuclei_is_better_than_its_first_version_and_half_as_large():
    files = find_model("nuclei")
    assert files.card.version == "2"
    assert files.size < 13e6
    before = {
        "dsb2018_fluo": (0.845, 0.662),
        "bbbc039_fluo16": (0.906, 0.813),
        "aits_nuclei": (0.795, 0.702),
        "dsb2018_histo": (0.777, 0.548),
        "dsb_overlap_composite": (0.819, 0.586),
    }
    for name, (ap50, mean) in before.items():
        figures = files.card.metrics["test"][name]
        assert figures["bioimage_ap"]["0.50"] > ap50, name
        assert figures["bioimage_ap_mean"] > mean, name


@pytest.mark.parametrize("name", ["nuclei", "cells", "live-dead", "unet-nuclei"])
def test_cards_name_no_path_of_a_machine(name):
    text = find_model(name).card.to_json()
    assert "/work" not in text
    assert "/tmp" not in text
