"""U-Nets as graphs: every engine answers as torch does, from the maps to the cells."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import tifffile
import torch

from napari_centermask import cli
from napari_centermask.deploy import export, export_unet, parity
from napari_centermask.engines.graphs import CARD_KEY
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.torch import TorchMapEngine
from napari_centermask.io.coco.document import read_coco
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings, UNetSettings

FORMS = {
    "plain": UNetSettings(in_channels=2, categories=["a", "b"], width=4, depth=3),
    "attention": UNetSettings(in_channels=1, width=8, depth=2, norm="GN", attention="gate", border=False),
    "scse": UNetSettings(in_channels=5, width=4, depth=6, attention="scse", distance=False, deep_supervision=True),
}
FORMS |= {name: UNetSettings(in_channels=1, architecture=name) for name in ("unet", "unet++", "fpn", "deeplabv3+")}


@pytest.fixture(scope="module", params=FORMS)
def exported(request, tmp_path_factory):
    """A small network, its card, its folder and the parity."""
    if FORMS[request.param].architecture != "plain":
        pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    form = FORMS[request.param]
    model = build_model(form).eval()
    card = ModelCard(name="small", licence="BSD-3-Clause", model=form, diameter=30.0)
    folder = tmp_path_factory.mktemp(request.param) / "small"
    folder.mkdir()
    save_model(folder / "small.safetensors", model, card, half=False)
    return model, card, folder, export.export(model, card, folder)


def test_the_graph_agrees_with_torch_and_carries_the_card(exported):
    _, card, folder, found = exported
    assert sorted(p.name for p in folder.iterdir()) == ["small.maps.onnx", "small.safetensors"]
    assert set(found.differences) == {"maps"}
    assert found.differences["maps"] <= 1e-4
    content = onnx.load(folder / "small.maps.onnx")
    assert ModelCard.from_json({p.key: p.value for p in content.metadata_props}[CARD_KEY]) == card
    assert b".py" not in content.SerializeToString()


@pytest.mark.parametrize("name", ["onnx", "openvino", "torch"])
def test_every_engine_gives_the_same_maps_and_cells(exported, name):
    model, card, folder, _ = exported
    engine, reference = load_engine(folder, engine=name, device="cpu"), TorchMapEngine(model, card)
    assert (engine.name, engine.device, engine.card) == (name, "cpu", card)
    rng = np.random.default_rng(0)
    side = max(32, 2**card.model.depth)
    tiles = rng.normal(0.3, 0.4, (2, card.model.in_channels, 3 * side, 2 * side)).astype(np.float32)
    maps = engine.maps(tiles)
    assert maps.shape == (2, len(card.model.map_names), *tiles.shape[2:])
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, reference.maps(tiles), atol=1e-4)
    np.testing.assert_allclose(maps[:, : card.model.n_classes].sum(axis=1), 1, atol=1e-5)

    image = rng.random((card.model.in_channels, 150, 170), np.float32)
    threshold = float(np.median(1 - maps[:, 0]))
    options = SegmentSettings(diameter=25, foreground=threshold, score=0, seed=0.5, tile=128, overlap=32)
    ours, theirs = segment(image, engine, options), segment(image, reference, options)
    assert len(ours) > 0
    assert abs(sum(c.area for c in ours) - sum(c.area for c in theirs)) < 0.01 * sum(c.area for c in theirs)


@pytest.mark.parametrize("exported", ["plain"], indirect=True)
def test_the_commands_work_on_a_unet_as_on_every_model(exported, tmp_path, capsys):
    _, _, folder, _ = exported
    model, image = folder / "small.safetensors", tmp_path / "field.npy"
    np.save(image, np.random.default_rng(0).random((2, 96, 128), np.float32))

    def run(*words):
        assert cli.run([str(w) for w in (*words, "--json")]) == 0
        return json.loads(capsys.readouterr().out)

    files = run("export", model, "--out", tmp_path / "again")["files"]
    assert [Path(f).name for f in files] == ["small.maps.onnx"]
    chosen = ("--model", model, "--diameter", 30)
    report = run("segment", image, *chosen, "--out", tmp_path / "out", "--maps", "--foreground", 0.2, "--score", 0)
    classes = tifffile.imread(report["images"][0]["classes"])
    assert classes.shape == (96, 128)
    assert classes.max() <= 2
    (record,) = read_coco(tmp_path / "out" / "annotations.json")
    assert len(record.instances) == report["images"][0]["n_instances"] > 0
    assert all(sum(c.probabilities) == pytest.approx(1) and len(c.probabilities) == 2 for c in record.instances)
    rows = run("benchmark", image, "--model", model, "--engines", "openvino,onnx,torch", "--sizes", 0, "--runs", 1)[
        "rows"
    ]
    assert [row["engine"] for row in rows] == ["openvino", "onnx", "torch"]
    assert all(row["features"] > 0 and row["masks"] == 0 and row["latency"] > row["features"] for row in rows)


def test_a_graph_alone_is_a_model(exported, tmp_path):
    _, card, folder, _ = exported
    (tmp_path / "small.maps.onnx").write_bytes((folder / "small.maps.onnx").read_bytes())
    files = find_model(tmp_path / "small.maps.onnx")
    assert files.weights is None
    assert load_engine(files, device="cpu").card == card


def test_a_graph_that_disagrees_is_refused_and_nothing_is_written(exported, tmp_path, monkeypatch):
    model, card, folder, _ = exported
    graph = (folder / "small.maps.onnx").read_bytes()

    def written_before(_module, _example, path, *_, opset):
        path.write_bytes(graph)
        return opset

    monkeypatch.setattr(export_unet, "write_graph", written_before)
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    with pytest.raises(parity.ParityError, match="differs from torch"):
        export.export(model, card, tmp_path)
    assert list(tmp_path.iterdir()) == []
