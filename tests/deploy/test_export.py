import numpy as np
import onnx
import pytest
import torch

from napari_centermask.deploy import export
from napari_centermask.engines.graphs import CARD_KEY
from napari_centermask.engines.onnx import OnnxEngine
from napari_centermask.engines.openvino import OpenVinoEngine
from napari_centermask.engines.torch import TorchEngine
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

SMALL = {"backbone": "V-19-slim-dw-eSE", "fpn_channels": 32, "head_convs": 1, "mask_channels": 32, "mask_convs": 1}


@pytest.fixture(scope="module", params=[(3, 14), (2, 10)], ids=["stride 8", "stride 4"])
def exported(tmp_path_factory, request):
    """A small network with two categories and the reference's parts, its card, its folder and the parity."""
    torch.manual_seed(0)
    levels = dict(zip(("first_level", "roi_size"), request.param, strict=True))
    form = ModelSettings(**SMALL, **levels, categories=["a", "b"], maskiou_channels=16, maskiou_fc=16, maskiou_convs=1)
    model = CenterMask(form).eval()
    card = ModelCard(name="small", licence="BSD-3-Clause", model=form, diameter=40.0)
    folder = tmp_path_factory.mktemp("export")
    return model, card, folder, export.export(model, card, folder)


def test_graphs_agree_with_torch_and_carry_the_card(exported):
    _, card, folder, parity = exported
    assert all(value <= export.TOLERANCE[name] for name, value in parity.differences.items())
    for kind in ("dense", "roi"):
        properties = {p.key: p.value for p in onnx.load(folder / f"small.{kind}.onnx").metadata_props}
        assert ModelCard.from_json(properties[CARD_KEY]) == card
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("make", [OnnxEngine, OpenVinoEngine])
def test_every_engine_gives_what_torch_gives(exported, make):
    model, card, folder, _ = exported
    ours = make(folder / "small.dense.onnx", folder / "small.roi.onnx", card, device="cpu")
    reference = TorchEngine(model, card)
    rng = np.random.default_rng(0)
    tiles = rng.normal(0.3, 0.4, (2, 3, 96, 160)).astype(np.float32)
    a, b = reference.features(tiles), ours.features(tiles)
    for name in ("logits", "ltrb", "centerness"):
        np.testing.assert_allclose(getattr(b, name), getattr(a, name), atol=2e-2 if name == "ltrb" else 1e-3)
    boxes = np.array([[3, 4, 40, 60], [-5, 10, 30, 90], [0, 0, 160, 96]], np.float32)
    classes = np.array([0, 1, 1])
    for index in (0, 1):
        masks, quality = reference.masks(a, boxes, classes, index=index)
        own_masks, own_quality = ours.masks(b, boxes, classes, index=index)
        np.testing.assert_allclose(own_masks, masks, atol=1e-3)
        np.testing.assert_allclose(own_quality, quality, atol=1e-3)
    empty = ours.masks(b, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    side = 2 * card.model.roi_size
    assert [part.shape for part in empty] == [(0, side, side), (0,)]


def test_graphs_name_no_path_of_the_machine(exported):
    _, _, folder, _ = exported
    for kind in ("dense", "roi"):
        content = (folder / f"small.{kind}.onnx").read_bytes()
        assert b".py" not in content
        assert b"stack_trace" not in content


def test_graphs_that_disagree_are_refused_and_nothing_is_written(exported, tmp_path, monkeypatch):
    model, card, _, _ = exported
    monkeypatch.setitem(export.TOLERANCE, "logits", -1.0)
    with pytest.raises(export.ParityError, match="logits"):
        export.export(model, card, tmp_path)
    assert list(tmp_path.iterdir()) == []
