"""A flag or a key of a run file that has no effect on what was chosen ends the command with exit code 2 and the reason."""

import json

import pytest

from napari_centermask import cli
from napari_centermask.cli import train as train_module
from napari_centermask.cli.demo import sample_image
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import TrainSettings

IMAGE = str(sample_image())


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data" / "images").mkdir(parents=True)
    return str(tmp_path / "data")


@pytest.fixture
def started(monkeypatch):
    """Settings with which trainings would have begun."""
    checked = []
    monkeypatch.setattr(train_module, "run_training", lambda settings, json: checked.append(settings) or 0)
    return checked


def refused(capsys, *tokens):
    assert cli.run([str(t) for t in tokens]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("segment {image} --model nuclei --foreground 0.4", "--foreground has no effect: 'nuclei' is a CenterMask"),
        ("segment {image} --model unet-nuclei --nms 0.6", "--nms has no effect: 'unet-nuclei' is a U-Net"),
        ("segment {image} --preprocess.dark 3", "--preprocess.dark has no effect"),
        ("segment {image} --channel-names a b", "--channel-names has no effect: the channels of 'nuclei'"),
        ("segment {image} --maps", "--maps has no effect: 'nuclei' is a CenterMask"),
        ("rank {image} --seed 0.3", "--seed has no effect"),
        ("evaluate --data {data} --smoothing 2", "--smoothing has no effect"),
        ("evaluate --data {data} --predictions x.json --tile 512", "--tile has no effect: --predictions are evaluated"),
        ("evaluate --data {data} --class-maps", "--class-maps has no effect: 'nuclei' is a CenterMask"),
        ("evaluate --data {data} --predictions x.json --class-maps", "--class-maps has no effect: --predictions are"),
        ("viability live-dead --data {data} --model nuclei", "--model has no effect: the methods name the models"),
        ("viability truth+live-dead --data {data} --nms 0.3", "--nms has no effect: no method has a model"),
        (
            "train --data {data} --out {data}/run --start nuclei --losses.dice 50",
            "--losses.dice has no effect: the model is a",
        ),
        (
            "train --data {data} --out {data}/run --start nuclei --model.backbone R-50",
            "follows the start model 'nuclei'",
        ),
        ("train --data {data} --out {data}/run --model.depth 5", "only a U-Net (--model.family unet) uses it"),
        ("train --data {data} --out {data}/run --keep 0.5", "--keep has no effect: there is no start model"),
        ("train --data {data} --out {data}/run --find-rate --learning-rate 0.1", "find_rate searches it"),
        ("finetune {data} --scratch --start nuclei", "--start has no effect"),
        ("finetune {data} --scratch --replay {data}", "--replay has no effect"),
        ("finetune {data} --dry-run --install mine", "--install has no effect"),
        ("finetune {data} --preview --install mine", "--install has no effect: --preview trains no model"),
    ],
)
def test_a_flag_without_effect_is_refused(capsys, data, command, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # results go there by default
    assert words in refused(capsys, *command.format(image=IMAGE, data=data).split())


def test_flags_that_one_of_several_models_uses_pass(capsys, data):
    """What fails then are the annotations, which are missing."""
    assert "annotations_test.json" in refused(
        capsys, "viability", "nuclei", "unet-nuclei", "--data", data, "--nms", "0.3"
    )


def run_file(tmp_path, **changes):
    values = json.loads(TrainSettings(data=["a"], out=tmp_path / "run").model_dump_json()) | changes
    path = tmp_path / "run.json"
    path.write_text(json.dumps(values))
    return path


def test_a_run_file_with_all_values_starts_and_its_flags_are_checked(capsys, tmp_path, started):
    card = find_model("nuclei").card
    path = run_file(tmp_path, start="nuclei", model=card.model.model_dump())
    assert cli.run(["train", str(path)]) == 0
    assert started[0].model == card.model
    assert "--losses.dice has no effect" in refused(capsys, "train", path, "--losses.dice", "50")
    assert "--losses.focal has no effect" in refused(capsys, "train", path, "--losses.focal", "2")


def test_a_key_of_a_run_file_without_effect_is_refused(capsys, tmp_path, started):
    path = run_file(tmp_path, losses={"dice": 50.0}, keep=0.5)
    words = refused(capsys, "train", path)
    assert "'losses.dice' has no effect" in words
    assert "'keep' has no effect" in words
    assert not started


def test_a_run_continues_whatever_its_file_holds(capsys, tmp_path, started):
    path = run_file(tmp_path, losses={"dice": 50.0})
    assert cli.run(["train", str(path), "--resume"]) == 0
    assert "--losses.tversky" in refused(capsys, "train", path, "--resume", "--losses.tversky", "2")
