"""The benchmark measures on images of the sizes that were asked for and reports what it measured."""

import json

import numpy as np
import pytest

from napari_centermask import cli
from napari_centermask.core.errors import CannotSave
from napari_centermask.deploy import benchmark as measure
from napari_centermask.deploy import pick as picking
from napari_centermask.engines import fastest
from napari_centermask.engines.fastest import Measured
from napari_centermask.engines.runtime import Runtime
from napari_centermask.pipeline import Progress


def test_images_are_brought_to_each_size_and_the_report_is_written(capsys, tmp_path, monkeypatch):
    seen = []

    def benchmark(model, images, *, engines, **_):
        seen.extend(i.shape for i in images)
        yield measure.Row(engines[0], "cpu", 40, 40, 3, 5, 0.5, 0.25, 0.125, 0.125, 2.0, 0.0032, None)

    monkeypatch.setattr(measure, "benchmark", benchmark)
    np.save(tmp_path / "a.npy", np.ones((30, 50), np.uint8))
    tokens = ["benchmark", str(tmp_path / "a.npy"), "--sizes", "40,0", "--engines", "onnx", "--json"]
    assert cli.run([*tokens, "--out", str(tmp_path / "speed.json")]) == 0
    assert seen == [(1, 40, 40), (1, 30, 50)]
    report = json.loads(capsys.readouterr().out)
    assert report["rows"][0]["engine"] == "onnx"
    assert json.loads((tmp_path / "speed.json").read_text()) == report


TORCH, OPENVINO = Measured(Runtime("torch"), 1.0, 1.0), Measured(Runtime("openvino"), 2.0, 1.0)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """How often something was measured; torch is the fastest."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    seen = []

    def pick(*_, **__):
        seen.append(1)
        yield Progress(0, 3, "")
        return picking.Picked((TORCH, OPENVINO), TORCH, ())

    monkeypatch.setattr(picking, "pick", pick)
    return seen


def test_the_outcome_says_what_napari_uses_where_torch_is_the_fastest(measured, capsys):
    assert cli.run(["benchmark", "--pick"]) == 0
    outcome = capsys.readouterr().out.splitlines()[-1]
    assert "now uses torch on cpu, float32 for 'nuclei'" in outcome
    assert "; inside napari, openvino on cpu, float32." in outcome


def test_nothing_is_measured_that_could_not_be_remembered(measured, tmp_path, capsys):
    (tmp_path / "home").write_text("a file where the folder should be")
    assert cli.run(["benchmark", "--pick"]) == 2
    assert "is a file, not a folder" in capsys.readouterr().err
    assert measured == []


def test_what_was_measured_is_shown_even_if_it_cannot_be_remembered(measured, monkeypatch, capsys):
    def full(*_):
        raise CannotSave("Cannot write: the disk is full.")

    monkeypatch.setattr(fastest, "remember", full)
    assert cli.run(["benchmark", "--pick"]) == 0
    out = capsys.readouterr().out
    assert "openvino on cpu, float32" in out
    assert out.splitlines()[-1] == "The engine auto stays as it is. Cannot write: the disk is full."


def test_forgetting_says_whether_something_was_remembered_and_goes_with_nothing_else(measured, capsys):
    assert cli.run(["benchmark", "--pick"]) == 0
    assert cli.run(["benchmark", "--forget"]) == 0
    assert "usual engine for 'nuclei' again." in capsys.readouterr().err
    assert cli.run(["benchmark", "--forget"]) == 0
    assert "'nuclei': nothing was remembered." in capsys.readouterr().err
    assert cli.run(["benchmark", "--forget", "--pick"]) == 2


@pytest.mark.parametrize("tokens", [["--score", "5"], ["--diameter", "-3", "--pick"]])
def test_settings_out_of_range_are_named_by_their_flags(measured, tokens, capsys):
    assert cli.run(["benchmark", *tokens]) == 2
    assert f"Error: {tokens[0]}: Input should be" in capsys.readouterr().err
    assert measured == []


def test_a_model_where_an_image_belongs_is_named_with_its_flag(capsys):
    assert cli.run(["benchmark", "unet-nuclei", "--profile"]) == 2
    assert "unet-nuclei is a model, not an image. Name it with --model unet-nuclei." in capsys.readouterr().err
