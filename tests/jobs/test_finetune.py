"""Every default comes from the data, the start model and the machine; a project becomes a run in one call."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadAnnotations, BadImage, BadSettings
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.jobs.finetune import prepare
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import UNetSettings
from napari_centermask.training.run.defaults import DataFacts, Machine, facts_of, suggest

TWO_CORES = Machine(2)


@pytest.fixture
def facts():
    return DataFacts(n_images=6, n_cells=100, diameter=30.0, side=512, channels=1, categories=("cell",), n_rare=100)


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


def test_little_data_keeps_the_first_layers_and_much_data_frees_them(suggested):
    assert [suggested(n_cells=n).settings.freeze for n in (50, 200, 5000)] == ["early", "stem", "none"]


def test_more_cells_are_trained_longer(suggested):
    lengths = [suggested(n_cells=n).settings.steps for n in (10, 100, 400)]
    assert lengths == sorted(set(lengths))


def test_tiles_fit_small_images_and_the_network(suggested):
    for side in (64, 200, 512, 4096):
        tile = suggested(side=side).settings.tile
        assert tile % 32 == 0
        assert 128 <= tile <= 512
    assert suggested(side=150).settings.tile < suggested(side=2000).settings.tile


def test_a_gpu_takes_larger_batches_without_a_limit_of_time(suggested):
    small, large = (suggested(machine=Machine(8, gpu)).settings for gpu in (4.0, 24.0))
    assert 2 <= small.batch < large.batch
    assert large.minutes is None


def test_the_start_model_gives_the_diameter_and_the_network(suggested):
    card = find_model("nuclei").card
    suggestion = suggested().settings
    assert (suggestion.diameter, suggestion.model, suggestion.start) == (card.diameter, card.model, "nuclei")
    assert suggestion.compare


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


def test_a_model_of_other_categories_than_its_parent_is_not_shown_the_parents_data(tmp_path, facts):
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


@pytest.fixture
def source(tmp_path, cells):
    (tmp_path / "source" / "images").mkdir(parents=True)
    records = []
    for number in range(3):
        truth = cells(n=8, overlap=0.0, seed=number, shape=(160, 200))
        Image.fromarray(np.full(truth.shape, 20, np.uint8)).save(tmp_path / "source" / "images" / f"{number}.png")
        records.append(ImageRecord(number + 1, f"{number}.png", None, truth.shape, truth))
    write_coco(tmp_path / "source" / "annotations.json", records)
    return tmp_path / "source"


def test_facts_are_read_from_the_annotations(source):
    (source / "annotations.json").rename(source / "annotations_train.json")
    facts = facts_of(source)
    assert (facts.n_images, facts.n_cells, facts.side, facts.channels) == (3, 24, 160, 1)
    assert 20 < facts.diameter < 36


def test_one_call_makes_a_run_that_can_start(source):
    suggestion = prepare(source, "nuclei")
    assert suggestion.settings.out.parent == source / "runs"
    assert (suggestion.settings.data[0] / "annotations_val.json").is_file()
    assert prepare(source, "nuclei").settings.out != suggestion.settings.out


@pytest.mark.parametrize("name", ["best.safetensors", "last.pt"])
def test_an_earlier_run_is_not_written_over(source, tmp_path, name):
    out = tmp_path / "run"
    assert prepare(source, "nuclei", out=out).settings.out == out
    prepare(source, "nuclei", out=out)  # nothing was trained yet
    (out / name).write_bytes(b"model")
    with pytest.raises(BadSettings, match=rf"{name} of an earlier run"):
        prepare(source, "nuclei", out=out)
    assert (out / name).read_bytes() == b"model"


def test_a_project_is_read_while_it_is_open(source, cells):
    from napari_centermask.core.history import Change
    from napari_centermask.io.project.project import Project

    folder = source.parent / "project"
    with Project.create(folder, sorted((source / "images").glob("*.png"))) as project:
        for n, image in enumerate(project.images):
            result = project.result(image.id)
            new = [replace(c, status="corrected") for c in cells(n=8, overlap=0, seed=n, shape=(160, 200))]
            project.history(image.id).do("drawing", [Change((), c.id, None, c) for c in new])
            assert len(result) == 8
            project.set_status(image.id, "reviewed")
        suggestion = prepare(folder, "nuclei")
    assert facts_of(suggestion.settings.data[0]).n_cells + facts_of(suggestion.settings.data[0], "val").n_cells == 24


def test_the_inputs_of_the_start_model_stay(facts, tmp_path):
    form = UNetSettings(in_channels=2, width=8)
    inputs = {"channel_names": ["nuclei", "membranes"], "preprocess": {"background": "gaussian"}}
    card = ModelCard(name="two", licence="CC0-1.0", model=form, diameter=22.0, normalisation="zscore", **inputs)
    suggestion = suggest(tmp_path, tmp_path / "run", card=card, facts=facts, machine=TWO_CORES, replay=[]).settings
    assert (suggestion.model, suggestion.diameter) == (form, 22.0)
    assert suggestion.channel_names == ["nuclei", "membranes"]
    assert suggestion.preprocess.background == "gaussian"
    assert suggestion.normalisation == "zscore"


def test_images_that_do_not_fit_the_start_model_leave_no_run(source, tmp_path, monkeypatch):
    for path in (source / "images").iterdir():
        np.save(path.with_suffix(".npy"), np.zeros((5, *np.asarray(Image.open(path)).shape[:2]), np.uint8))
        annotations = (source / "annotations.json").read_text().replace(path.name, path.stem + ".npy")
        (source / "annotations.json").write_text(annotations)
    with pytest.raises(BadImage, match=r"has 5\. Choose another start model"):
        prepare(source, "nuclei", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_left_of_a_run_that_cannot_be_made(tmp_path, source):
    (source / "annotations.json").unlink()
    with pytest.raises(BadAnnotations):
        prepare(source, "nuclei")
    assert not list((source / "runs").glob("*")) if (source / "runs").exists() else True
