"""Checkpoints become installed models; bombs and strangers are refused with code 2."""

import json
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest

from napari_centermask import cli
from napari_centermask.cli.models import install
from napari_centermask.core.errors import MissingExtra
from napari_centermask.models.store import zoo
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import UNetSettings

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("home")


def test_a_published_checkpoint_is_installed_with_its_licence(capsys, published, home):
    assert cli.run(["models", "add", str(published), "--name", "lite", "--no-graphs"]) == 0
    assert "Licence of the weights:" in capsys.readouterr().err
    assert cli.run(["models", "list", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)
    assert (model["name"], model["kind"], model["backbone"]) == ("lite", "centermask", "V-19-slim-dw-eSE")
    assert model["licence"]
    assert [p.name for p in (home / "lite").iterdir()] == ["lite.safetensors"]


def test_converted_weights_are_those_of_the_checkpoint(published, home):
    from napari_centermask.models.store.checkpoint import load_model

    zoo.add_model(published, "lite")
    network, _ = load_model(home / "lite" / "lite.safetensors")
    own = network.state_dict()
    for key, value in torch.load(published, weights_only=True)["model"].items():
        torch.testing.assert_close(own[key], value, rtol=0, atol=0)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('the bomb went off')",)


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".pt"])
def test_a_pickle_bomb_is_refused_and_does_not_go_off(capsys, tmp_path, home, suffix):
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(pickle.dumps({"model": Bomb()}))
    assert cli.run(["models", "add", str(path)]) == 2
    assert capsys.readouterr().err.startswith("Error: ")
    assert not home.exists() or not list(home.iterdir())


def test_keys_that_do_not_fit_are_named(capsys, tmp_path, published):
    state = torch.load(published, weights_only=True)["model"]
    del state["roi_heads.mask_head.predictor.bias"]
    torch.save({"model": state}, tmp_path / "cut.pth")
    assert cli.run(["models", "add", str(tmp_path / "cut.pth")]) == 2
    assert "roi_heads.mask_head.predictor.bias" in capsys.readouterr().err


def test_graphs_that_are_refused_leave_nothing_and_the_name_is_free(capsys, published, home, monkeypatch):
    from napari_centermask.deploy import export_centermask, parity

    def refuse(*_):
        raise parity.ParityError("Expected ONNX Runtime near torch.")

    monkeypatch.setattr(export_centermask, "_write_dense", lambda model, path, *_: path.write_bytes(b"half"))
    monkeypatch.setattr(export_centermask, "_write_roi", refuse)
    assert cli.run(["models", "add", str(published), "--name", "lite"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Error: Nothing was installed. Expected ONNX Runtime near torch.")
    assert last.endswith(f"models add {published} --no-graphs")
    assert list(home.iterdir()) == []
    assert cli.run(["models", "add", str(published), "--name", "lite", "--no-graphs"]) == 0


def test_a_crash_while_graphs_are_made_leaves_nothing(published, home, monkeypatch):
    from napari_centermask.deploy import export_centermask

    def crash(*_):
        raise RuntimeError("the exporter has a bug")

    monkeypatch.setattr(export_centermask, "_write_dense", crash)
    with pytest.raises(RuntimeError, match="has a bug"):
        install(published, "lite")
    assert list(home.iterdir()) == []


def test_a_model_is_installed_without_graphs_where_nothing_can_make_them(capsys, published, home, monkeypatch):
    from napari_centermask.cli import export

    def missing(*_):
        raise MissingExtra("Export needs onnx.")

    monkeypatch.setattr(export, "export_files", missing)
    assert cli.run(["models", "add", str(published), "--name", "lite"]) == 0
    assert "only the torch engine can run it. Export needs onnx." in capsys.readouterr().err
    assert [p.name for p in (home / "lite").iterdir()] == ["lite.safetensors"]


KILLED = """
import os, signal, sys
from napari_centermask import cli
from napari_centermask.cli import export
export.export_files = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
cli.run(["models", "add", sys.argv[1], "--name", "lite"])
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_process_killed_while_graphs_are_made_leaves_no_half_model(published, home):
    done = subprocess.run([sys.executable, "-c", KILLED, str(published)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (zoo.list_models(), zoo.broken_models()) == ([], [])
    (left,) = home.iterdir()
    assert left.name.startswith(zoo.ADDING)
    os.utime(left, (0, 0))  # long ago
    assert cli.run(["models", "add", str(published), "--name", "lite", "--no-graphs"]) == 0
    assert [p.name for p in home.iterdir()] == ["lite"]


def test_graphs_that_do_not_run_are_not_installed(tmp_path, capsys):
    """A file with the right names and card, whose network fails: it is tried before napari can meet it."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", kind, [None, 1, None, None])
    maps = helper.make_tensor_value_info("maps", kind, [None, None, None, None])
    card = ModelCard(name="bad", licence="CC0-1.0", model=UNetSettings(in_channels=1), diameter=20.0)
    constant = onnx.numpy_helper.from_array(np.zeros((1, 1, 7, 7), np.float32), "seven")
    nodes = [helper.make_node("Add", ["image", "seven"], ["maps"])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], [maps], [constant]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    helper.set_model_props(model, {"card": card.to_json()})
    onnx.save(model, tmp_path / "bad.maps.onnx")
    assert cli.run(["models", "add", str(tmp_path / "bad.maps.onnx"), "--name", "bad"]) == 2
    assert "Nothing was installed" in capsys.readouterr().err
    assert zoo.list_models() == []
