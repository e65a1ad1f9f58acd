"""What the defaults know of this machine."""

import sys

import pytest

from napari_centermask.models.store.zoo import find_model
from napari_centermask.training.run import defaults
from napari_centermask.training.run.defaults import DataFacts, Machine, suggest


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine whose driver tells of a GPU with 24 GB."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 24576\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.skipif(sys.platform == "win32", reason="The driver's tool is played by a shell script.")
def test_a_gpu_that_torch_cannot_use_does_not_count(driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Machine.here().gpu_gb == 0


@pytest.mark.skipif(sys.platform == "win32", reason="The driver's tool is played by a shell script.")
def test_the_memory_of_a_gpu_is_what_torch_tells(driver, monkeypatch):
    monkeypatch.setattr(defaults, "_ASK_TORCH", "print('loading')\nprint(23.5)")
    assert Machine.here().gpu_gb == 23.5


def test_without_a_driver_torch_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(defaults, "_ASK_TORCH", "print(23.5)")
    assert Machine.here().gpu_gb == 0


@pytest.mark.parametrize(("category", "is_shown"), [("nucleus", True), ("Nucleus", True), ("cell", False)])
def test_what_a_model_knows_is_shown_again_only_where_the_data_mean_the_same(tmp_path, category, is_shown):
    facts = DataFacts(n_images=4, n_cells=80, diameter=30, side=256, channels=1, categories=(category,), n_rare=80)
    card = find_model("nuclei").card
    suggestion = suggest(tmp_path, tmp_path / "run", card=card, start="nuclei", facts=facts, machine=Machine(cores=2))
    assert bool(suggestion.settings.replay) == is_shown
    assert ("other categories" in suggestion.reasons["replay_part"]) != is_shown
