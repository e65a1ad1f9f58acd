"""Averages over mirror images: the cells of a mirrored tile are the mirrored cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_centermask.engines.decode import detect
from napari_centermask.engines.mirrored import FLIPS, MirroredEngine
from napari_centermask.engines.torch import TorchEngine
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings

TINY = {"backbone": "V-19-slim-eSE", "fpn_channels": 32, "mask_channels": 32, "maskiou_channels": 32, "maskiou_fc": 32}


@pytest.fixture(scope="module", params=[(2, 4), (3, 4), (2, 2)])
def engine(request):
    torch.manual_seed(0)
    first, stem = request.param
    model = ModelSettings(first_level=first, stem_stride=stem, top_levels=0, categories=["a", "b"], **TINY)
    card = ModelCard(name="tiny", licence="CC0-1.0", model=model, diameter=20.0)
    return TorchEngine(build_model(model), card)


@pytest.fixture(scope="module")
def tile():
    return np.random.default_rng(1).normal(size=(1, 3, 64, 96)).astype(np.float32)


@pytest.mark.parametrize("axes", FLIPS[1:])
def test_the_boxes_of_a_mirrored_tile_are_the_mirrored_boxes(engine, tile, axes):
    mirrored = MirroredEngine(engine)
    here, there = mirrored.features(tile), mirrored.features(np.flip(tile, axes).copy())
    a = detect(here, engine.card, score=0.0, nms=1.0)
    b = detect(there, engine.card, score=0.0, nms=1.0)
    x, y = (96 if 3 in axes else 0), (64 if 2 in axes else 0)
    back = b.boxes.copy()
    if x:
        back[:, [0, 2]] = x - back[:, [2, 0]]
    if y:
        back[:, [1, 3]] = y - back[:, [3, 1]]
    assert len(a.boxes) == len(back) > 100
    first, second = (np.lexsort(np.round(boxes, 2).T[::-1]) for boxes in (a.boxes, back))
    np.testing.assert_allclose(a.boxes[first], back[second], atol=0.02)
    np.testing.assert_allclose(np.sort(a.scores), np.sort(b.scores), atol=1e-5)


def test_the_mask_of_a_mirrored_tile_is_the_mirrored_mask(engine, tile):
    mirrored = MirroredEngine(engine)
    box, kind = np.array([[10, 8, 40, 30]], np.float32), np.zeros(1, np.int64)
    mask, quality = mirrored.masks(mirrored.features(tile), box, kind)
    turned = np.array([[96 - 40, 8, 96 - 10, 30]], np.float32)
    other, other_quality = mirrored.masks(mirrored.features(tile[..., ::-1].copy()), turned, kind)
    np.testing.assert_allclose(mask[0], other[0, :, ::-1], atol=1e-4)
    np.testing.assert_allclose(quality, other_quality, atol=1e-4)
    plain, _ = engine.masks(engine.features(tile), box, kind)
    assert np.abs(plain[0] - mask[0]).max() > 1e-4  # one look differs from the mean of four


def test_the_mean_of_scores_lies_between_the_four(engine, tile):
    four = np.stack([engine.features(np.flip(tile, axes).copy()).logits.max() for axes in FLIPS])
    assert MirroredEngine(engine).features(tile).logits.max() <= four.max() + 1e-5
