"""Every engine finds the cells that torch finds in float32: one protocol, one suite."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from napari_centermask.api import sample_image
from napari_centermask.core.errors import BadSettings
from napari_centermask.engines import torch as torch_engine
from napari_centermask.engines.devices import PACKAGES
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.torch import TorchEngine
from napari_centermask.evaluation.matching import match, pair
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings

ENGINES = ("torch", "onnx", "openvino")
PRECISIONS = ("float32", "bfloat16")
BOUNDS = {"float32": (1.0, 0.998), "bfloat16": (0.98, 0.985)}
"""Least F1 at IoU 0.9, and mean IoU of the matched cells."""
MODELS = ("nuclei", "unet-nuclei")


@pytest.fixture(scope="module")
def image():
    """(160, 192) uint8: a part of the included sample."""
    return np.ascontiguousarray(sample_image()[100:260, 200:392])


def loaded(model, engine, precision, **options):
    if find_spec(PACKAGES[engine]) is None:
        pytest.skip(f"without {PACKAGES[engine]}")
    try:
        return load_engine(model, engine=engine, device="cpu", precision=precision, threads=1, **options)
    except BadSettings as error:
        pytest.skip(str(error))


def cells(image, engine, **options):
    settings = SegmentSettings(**({"diameter": 20.0, "tile": 128} | options))
    return list(segment(image, engine, settings))


@pytest.fixture(scope="module", params=MODELS)
def expected(request, image):
    """A model, and what torch finds with it in float32."""
    return request.param, cells(image, loaded(request.param, "torch", "float32"))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_cells_are_those_of_torch_in_float32(expected, image, engine, precision):
    model, truth = expected
    runs_on = loaded(model, engine, precision)
    assert (runs_on.name, runs_on.device, runs_on.precision, runs_on.batch) == (engine, "cpu", precision, 1)
    found = cells(image, runs_on)
    _, _, iou = match(pair(truth, found), 0.9)
    f1, mean = BOUNDS[precision]
    assert len(truth) > 10
    assert 2 * len(iou) / (len(truth) + len(found)) >= f1
    assert iou.mean() >= mean


@pytest.mark.parametrize("engine", ENGINES)
def test_tiles_in_batches_have_the_cells_of_tiles_one_by_one(expected, image, engine):
    model, truth = expected
    _, _, iou = match(pair(truth, cells(image, loaded(model, engine, "float32", batch=3))), 0.9)
    assert len(iou) == len(truth)
    assert iou.mean() >= BOUNDS["float32"][1]


@pytest.mark.parametrize("engine", ENGINES)
def test_no_boxes_have_no_masks(engine):
    one = loaded("nuclei", engine, "float32")
    features = one.features(np.zeros((2, 3, 64, 96), np.float32))
    masks, quality = one.masks(features, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), index=1)
    assert masks.shape == (0, 24, 24)
    assert quality.shape == (0,)


def test_a_precision_that_an_engine_lacks_is_refused_with_those_that_it_has(nuclei):
    with pytest.raises(BadSettings, match=r"onnx on cpu computes in float32, not in float16.*--precision float32"):
        load_engine(nuclei, engine="onnx", device="cpu", precision="float16")
    with pytest.raises(BadSettings, match="auto, float32, bfloat16, float16"):
        load_engine(nuclei, precision="int8")


def test_folding_leaves_no_norm_before_which_a_convolution_stands(nuclei):
    """The engine's copy has none of the backbone's norms left, and computes the same."""
    import torch

    from napari_centermask.models.nets.folding import folded
    from napari_centermask.models.nets.norm import FrozenBatchNorm2d
    from napari_centermask.models.store.checkpoint import load_model

    model, card = load_model(nuclei.weights)
    kinds = (FrozenBatchNorm2d, torch.nn.BatchNorm2d)
    n_before = sum(isinstance(m, kinds) for m in model.modules())
    own = folded(model, torch.zeros(1, 3, 64, 64))
    assert n_before > 10
    assert sum(isinstance(m, kinds) for m in own.modules()) == 0
    assert sum(isinstance(m, kinds) for m in model.modules()) == n_before
    tiles = np.random.default_rng(0).normal(0.3, 0.4, (1, 3, 64, 96)).astype(np.float32)
    a, b = (TorchEngine(net, card).features(tiles) for net in (model, own))
    np.testing.assert_allclose(a.logits, b.logits, atol=1e-4)


def test_torch_that_finds_a_gpu_by_itself_takes_as_many_tiles_as_on_one_that_is_named(nuclei, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch_engine, "engine_of", lambda *_, **how: how)
    loaded = [torch_engine.load(nuclei.weights, device=device) for device in ("auto", "cuda", "cpu")]
    assert [(how["device"], how["batch"]) for how in loaded] == [("cuda", 4), ("cuda", 4), ("cpu", 1)]
