"""What the defaults know of this machine."""

import sys
from dataclasses import replace

import pytest

from napari_centermask.core.image_kind import WORDS
from napari_centermask.io.coco.document import read_coco
from napari_centermask.models.store.card import IMAGES_OF, ModelCard
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import UNetSettings
from napari_centermask.training.data.replay_sample import ReplaySample
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


@pytest.mark.parametrize(
    ("category", "is_shown"), [("nucleus", True), ("Nucleus", True), ("nuclei", True), ("cell", False)]
)
def test_what_a_model_knows_is_shown_again_only_where_the_data_mean_the_same(tmp_path, category, is_shown):
    facts = DataFacts(n_images=4, n_cells=80, diameter=30, side=256, channels=1, categories=(category,), n_rare=80)
    card = find_model("nuclei").card
    suggestion = suggest(tmp_path, tmp_path / "run", card=card, start="nuclei", facts=facts, machine=Machine(cores=2))
    assert bool(suggestion.settings.replay) == is_shown
    assert ("other categories" in suggestion.reasons["replay_part"]) != is_shown


FLUORESCENCE, STAINED, TRANSMITTED = frozenset({"fluorescence"}), frozenset({"stained"}), frozenset({"transmitted"})
ALL_WINDOWS = {"train": 66, "val": 18}


@pytest.fixture
def replayed(tmp_path, facts):
    """What a fine-tuning of `cells` is shown again of its sample: the images of each split, and the reason."""

    def make(category, kinds):
        own = replace(facts, categories=(category,), kinds=kinds)
        card, out = find_model("cells").card, tmp_path / "run"
        suggestion = suggest(tmp_path, out, card=card, start="cells", facts=own, machine=Machine(cores=2))
        (folder,) = suggestion.settings.replay
        splits = {s: read_coco(folder / f"annotations_{s}.json", images_root=folder / "images") for s in ALL_WINDOWS}
        return splits, suggestion.reasons["replay_part"]

    return make


@pytest.mark.parametrize(
    ("category", "kinds", "outlined", "others"),
    [
        ("cell", FLUORESCENCE, "nucleus", "nuclei"),
        ("Cells", STAINED, "nucleus", "nuclei"),
        ("cell", TRANSMITTED, "nucleus", "nuclei"),  # in bright field, those of one data set
        ("nuclei", TRANSMITTED, "cell", "cells"),
    ],
)
def test_what_is_shown_again_never_contradicts_data_of_the_same_kind(replayed, category, kinds, outlined, others):
    splits, reason = replayed(category, kinds)
    whole = ReplaySample.read(find_model("cells").weights.parent / "replay")
    against = [r.file_name for r in whole.images if r.extra["kind"] in kinds and r.extra["outlined"] == outlined]
    kept = {r.file_name for records in splits.values() for r in records}
    assert against
    assert kept == {r.file_name for r in whole.images} - set(against)  # nothing else is forgotten
    assert all(r.path.is_file() for records in splits.values() for r in records)
    assert f"left out are {len(against)} of its 84 images: {WORDS[next(iter(kinds))]}, as in your data" in reason
    assert reason.endswith(f"but with outlines of {others}")


def test_nuclei_in_fluorescence_are_shown_again_where_the_data_are_nuclei(replayed):
    splits, reason = replayed("nucleus", FLUORESCENCE)
    assert {split: len(records) for split, records in splits.items()} == ALL_WINDOWS
    assert "left out" not in reason


def test_of_unknown_images_only_what_means_the_same_is_shown_again(replayed):
    splits, _ = replayed("cell", frozenset())
    assert {r.extra["outlined"] for records in splits.values() for r in records} == {"cell"}


def test_the_part_of_a_sample_replaces_an_earlier_one_and_no_folder_of_others(replayed, tmp_path):
    theirs = tmp_path / "run" / "replay" / "theirs.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("a file of their own")
    first, _ = replayed("cell", FLUORESCENCE)
    second, _ = replayed("cell", STAINED)
    assert theirs.read_text() == "a file of their own"
    assert first["val"][0].path.parent == second["val"][0].path.parent == tmp_path / "run" / "replay-2" / "images"
    assert len(first["train"]) != len(second["train"])


def test_a_sample_says_of_each_image_what_its_data_set_outlines():
    for name, meanings in (("cells", {"cell", "nucleus"}), ("nuclei", {"nucleus"})):
        sample = ReplaySample.read(find_model(name).weights.parent / "replay")
        assert sample.meanings == meanings
        for record in sample.images:
            data = next(data for data in IMAGES_OF if record.file_name.startswith(f"{data}_"))
            assert record.extra["kind"] == IMAGES_OF[data]
            whole = data in ("usiigaci_phase", "yeastvision_phase", "cellsium_bacteria_synth")
            assert record.extra["outlined"] == ("cell" if whole else "nucleus")


TWO_CORES = Machine(2)


@pytest.fixture
def suggested(facts, tmp_path):
    card = find_model("nuclei").card

    def make(machine=TWO_CORES, tuned=True, **changes):
        options = {"card": card, "start": "nuclei"} if tuned else {}
        return suggest(tmp_path, tmp_path / "run", machine=machine, facts=replace(facts, **changes), **options)

    return make


def test_a_hundred_cells_on_two_cores_take_at_most_ten_minutes(suggested):
    suggestion = suggested()
    assert suggestion.settings.minutes <= 8  # and the comparison
    assert suggestion.settings.workers == 1
    assert "2 CPU cores" in suggestion.reasons["minutes"]


def test_little_data_keeps_the_first_layer_and_much_data_frees_it(suggested):
    assert [suggested(n_cells=n).settings.freeze for n in (50, 200, 5000)] == ["stem", "stem", "none"]


def test_a_few_cells_of_a_new_kind_can_be_learned(suggested):
    settings = suggested(n_cells=80).settings
    assert settings.steps == 1400
    assert settings.learning_rate == 1e-3  # with 3e-4 they were not learned


def test_more_cells_are_trained_longer(suggested):
    lengths = [suggested(n_cells=n).settings.steps for n in (10, 100, 400)]
    assert lengths == sorted(set(lengths))


def test_tiles_fit_small_images_and_the_network(suggested):
    for side in (64, 200, 512, 4096):
        tile = suggested(side=side).settings.tile
        assert tile % 32 == 0
        assert 128 <= tile <= 512
    small, large = (suggested(tuned=False, side=side).settings.tile for side in (150, 2000))  # for cells of 40 pixels
    assert small < large


def test_a_gpu_takes_larger_batches_without_a_limit_of_time(suggested):
    small, large = (suggested(tuned=False, machine=Machine(8, gpu)).settings for gpu in (4.0, 24.0))
    assert 2 <= small.batch < large.batch
    assert large.minutes is None


def test_the_start_model_gives_the_diameter_and_the_network(suggested):
    card = find_model("nuclei").card
    suggestion = suggested(categories=("nucleus",)).settings
    assert (suggestion.diameter, suggestion.model, suggestion.start) == (card.diameter, card.model, "nuclei")
    assert suggestion.compare


def test_a_model_of_one_category_calls_its_cells_as_the_data_do(suggested):
    suggestion, card = suggested(categories=("cell",)), find_model("nuclei").card
    assert suggestion.settings.model == card.model.model_copy(update={"categories": ["cell"]})
    assert "model" not in suggestion.reasons  # its last layers stay


def test_other_categories_make_the_last_layers_anew_and_rare_ones_are_drawn_more(suggested):
    suggestion = suggested(categories=("living", "dead"), n_rare=5)
    assert suggestion.settings.model.categories == ["living", "dead"]
    assert suggestion.settings.oversample > 0
    assert "dead" in suggestion.reasons["model"]


def test_a_fine_tuning_of_nuclei_shows_its_own_data_again_and_gives_the_reason(suggested):
    suggestion = suggested(categories=("nucleus",))
    (replay,) = suggestion.settings.replay
    assert (replay / "annotations_val.json").is_file()
    assert suggestion.settings.replay_part == 0.25
    assert "forget" in suggestion.reasons["replay_part"]
    other = suggested(categories=("living", "dead"), n_rare=5)
    assert (other.settings.replay, other.settings.replay_part) == ([], 0.0)
    assert "categories" in other.reasons["replay_part"]
    assert suggested(tuned=False).settings.replay == []


def test_a_model_of_other_categories_than_its_parent_is_not_shown_the_parents_data(tmp_path, facts, monkeypatch):
    monkeypatch.setattr(defaults, "replay_of", lambda _: find_model("nuclei").weights.parent / "replay")
    card, facts = find_model("live-dead").card, replace(facts, categories=("living", "dead"))
    suggestion = suggest(tmp_path, tmp_path / "run", card=card, start="live-dead", facts=facts, machine=TWO_CORES)
    assert (suggestion.settings.replay, suggestion.settings.replay_part) == ([], 0.0)
    assert "categories" in suggestion.reasons["replay_part"]


def test_the_shipped_sample_is_read_by_the_sampler_and_leaks_nothing(suggested):
    from napari_centermask.training.data.loader import load_split

    (replay,) = suggested(categories=("nucleus",)).settings.replay
    train, val = (load_split(replay, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (74, 20)
    assert sum(len(s.instances) for s in train) == 1233
    assert not {s.name for s in train} & {s.name for s in val}


def test_from_scratch_the_network_is_made_for_the_data(suggested):
    suggestion = suggested(tuned=False, channels=2).settings
    assert (suggestion.start, suggestion.model.in_channels, suggestion.freeze) == (None, 2, "none")


def test_the_inputs_of_the_start_model_stay(facts, tmp_path):
    form = UNetSettings(in_channels=2, width=8)
    inputs = {"channel_names": ["nuclei", "membranes"], "preprocess": {"background": "gaussian"}}
    card = ModelCard(name="two", licence="CC0-1.0", model=form, diameter=22.0, normalisation="zscore", **inputs)
    suggestion = suggest(tmp_path, tmp_path / "run", card=card, facts=facts, machine=TWO_CORES, replay=[]).settings
    assert (suggestion.model, suggestion.diameter) == (form, 22.0)
    assert suggestion.channel_names == ["nuclei", "membranes"]
    assert suggestion.preprocess.background == "gaussian"
    assert suggestion.normalisation == "zscore"


@pytest.fixture
def facts():
    return DataFacts(n_images=6, n_cells=100, diameter=30.0, side=512, channels=1, categories=("cell",), n_rare=100)
