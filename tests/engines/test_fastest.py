"""The fastest runtime is remembered per model and computer, and "auto" uses it."""

import json
from contextlib import contextmanager

import pytest

from napari_centermask.engines import fastest
from napari_centermask.engines.fastest import Measured, choose, forget, remember, remembered
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.runtime import Runtime
from napari_centermask.models.store.zoo import find_model

ALL = ("openvino", "onnx", "torch")
TWO_TILES = Measured(Runtime("onnx", threads=1, batch=2), 1.0, 1.0)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path))
    return tmp_path


def test_the_fastest_above_the_agreement_is_chosen_and_torch_only_if_clearly_faster():
    rows = [
        Measured(Runtime("openvino", precision="bfloat16"), 1.0, 0.9),
        Measured(Runtime("torch"), 2.0, 1.0),
        Measured(Runtime("openvino"), 2.05, 1.0),
        Measured(Runtime("onnx"), 3.0, 1.0),
    ]
    assert choose(rows).runtime == Runtime("openvino")
    assert choose(rows, 0.85).runtime.precision == "bfloat16"
    assert choose(rows, 1.1) is None
    rows[2] = Measured(Runtime("openvino"), 2.5, 1.0)
    assert choose(rows).runtime == Runtime("torch")


def test_a_plainer_runtime_that_is_about_as_fast_is_taken():
    plain, special = Runtime("openvino", precision="bfloat16"), Runtime("openvino", precision="bfloat16", batch=4)
    assert choose([Measured(special, 1.0, 1.0), Measured(plain, 1.05, 1.0)]).runtime == plain
    assert choose([Measured(special, 1.0, 1.0), Measured(plain, 1.2, 1.0)]).runtime == special
    assert choose([Measured(plain, 1.0, 1.0), Measured(Runtime("onnx"), 1.05, 1.0)]).runtime == Runtime("onnx")


def test_auto_uses_what_was_remembered_until_it_is_forgotten(nuclei):
    remember(nuclei, [TWO_TILES], 0.98)
    engine = load_engine(nuclei)
    assert (engine.name, engine.device, engine.batch) == ("onnx", "cpu", 2)
    assert load_engine(nuclei, engine="openvino", threads=1).batch == 1
    forget(nuclei)
    assert load_engine(nuclei, device="cpu", threads=1).name == "openvino"
    assert remembered(nuclei, engines=ALL) is None


def test_what_is_asked_for_is_kept_and_only_allowed_engines_are_taken(nuclei):
    rows = [Measured(Runtime("torch", precision="bfloat16"), 1.0, 1.0), Measured(Runtime("openvino"), 2.0, 1.0)]
    remember(nuclei, rows, 0.98)
    assert remembered(nuclei, engines=ALL).runtime.engine == "torch"
    assert remembered(nuclei, engines=("openvino", "onnx")).runtime.engine == "openvino"
    assert remembered(nuclei, engines=ALL, precision="float32").runtime.engine == "openvino"
    assert remembered(nuclei, engines=ALL, device="cuda") is None


def test_another_computer_another_version_or_another_model_is_not_remembered(nuclei, monkeypatch):
    remember(nuclei, [TWO_TILES], 0.98)
    monkeypatch.setattr(fastest, "fingerprint", lambda *files: "changed")
    assert remembered(nuclei, engines=ALL) is None
    monkeypatch.undo()
    monkeypatch.setattr(fastest, "machine_name", lambda: "64 x another processor; openvino 9")
    assert remembered(nuclei, engines=ALL) is None


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', "{broken", '{"rows": [], "agreement": [1]}', "[" * 100_000])
def test_a_damaged_file_is_as_none(nuclei, text):
    path = remember(nuclei, [TWO_TILES], 0.98)
    path.write_text(text)
    assert remembered(nuclei, engines=ALL) is None
    assert load_engine(nuclei, device="cpu").name == "openvino"
    remember(nuclei, [TWO_TILES], 0.98)
    assert remembered(nuclei, engines=ALL) == TWO_TILES


@pytest.mark.parametrize(
    ("field", "value"),
    [("seconds", None), ("agreement", "much"), ("agreement", None), ("runtime", {"engine": "onnx", "gears": 5})],
)
def test_a_damaged_row_is_as_none(nuclei, field, value):
    path = remember(nuclei, [TWO_TILES], 0.98)
    entry = json.loads(path.read_text())
    entry["rows"][0][field] = value
    path.write_text(json.dumps(entry))
    assert remembered(nuclei, engines=ALL) is None


def test_a_damaged_device_is_as_none(nuclei):
    path = remember(nuclei, [TWO_TILES], 0.98)
    path.write_text(path.read_text().replace('"cpu"', "7"))
    assert remembered(nuclei, engines=ALL) is None


def test_what_is_remembered_for_another_model_meanwhile_stays(nuclei, monkeypatch):
    write, other = fastest.whole_file, find_model("unet-nuclei")

    @contextmanager
    def slow(path):
        monkeypatch.setattr(fastest, "whole_file", write)
        remember(other, [TWO_TILES], 0.98)
        with write(path) as part:
            yield part

    monkeypatch.setattr(fastest, "whole_file", slow)
    remember(nuclei, [TWO_TILES], 0.98)
    assert remembered(nuclei, engines=ALL) == remembered(other, engines=ALL) == TWO_TILES


def test_a_remembered_engine_that_fails_is_replaced_and_the_reason_is_said(nuclei):
    remember(nuclei, [Measured(Runtime("onnx", device="cuda"), 1.0, 1.0)], 0.98)
    said = []
    engine = load_engine(nuclei, say=said.append)
    assert (engine.name, engine.device) == ("openvino", "cpu")
    (text,) = said
    assert text.startswith("The fastest engine for 'nuclei', onnx on cuda, float32, fails; the usual one is used.")
