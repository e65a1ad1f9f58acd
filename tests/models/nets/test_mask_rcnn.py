"""Our Mask R-CNN is torchvision's: the same names, and the same cells for the same weights."""

import numpy as np
import pytest
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn

from napari_centermask.engines.decode import detect_regions
from napari_centermask.engines.torch import TorchRegionEngine
from napari_centermask.models.nets.folding import folded
from napari_centermask.models.nets.mask_rcnn import PROPOSALS, MaskRCNN
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import MaskRCNNSettings

SIZE = (96, 128)
SMALL = {"resnet": "R-18", "pyramid_channels": 16, "box_fc": 16, "mask_head_convs": 1, "mask_head_channels": 16}


def engine_of(model):
    card = ModelCard(name="mine", licence="CC0-1.0", model=model.settings, diameter=30.0)
    return TorchRegionEngine(model, card)


@pytest.fixture(scope="module")
def torchvision_model():
    torch.manual_seed(1)
    sizes = {"min_size": SIZE[0], "max_size": SIZE[1], "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    counts = {"rpn_pre_nms_top_n_test": PROPOSALS, "rpn_post_nms_top_n_test": PROPOSALS, "box_detections_per_img": 40}
    model = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=2, box_score_thresh=0.01, **sizes, **counts
    )
    return model.eval()


@pytest.fixture(scope="module")
def ours(torchvision_model):
    settings = MaskRCNNSettings(anchor_sizes=[32, 64, 128, 256, 512], categories=["cell"])
    model = MaskRCNN(settings)
    model.load_state_dict(torchvision_model.state_dict())
    return model.eval()


def test_names_and_shapes_are_torchvisions(ours, torchvision_model):
    shapes = {name: value.shape for name, value in torchvision_model.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes


@torch.inference_mode()
def test_cells_are_torchvisions_for_the_same_weights(ours, torchvision_model):
    tile = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
    (wanted,) = torchvision_model([tile])
    engine = engine_of(ours)
    features = engine.features(tile[None].numpy())
    found = detect_regions(features, score=0.01, nms=0.5, max_detections=40)
    assert len(found.boxes) == len(wanted["boxes"]) > 10
    assert np.allclose(found.boxes, wanted["boxes"], atol=1e-3)
    assert np.allclose(found.scores, wanted["scores"], atol=1e-5)
    raw = torchvision_model.roi_heads.mask_predictor(
        torchvision_model.roi_heads.mask_head(
            torchvision_model.roi_heads.mask_roi_pool(features.pyramid[0], [wanted["boxes"]], [SIZE])
        )
    )
    probabilities, quality = engine.masks(features, found.boxes, found.classes)
    # Untrained logits reach 70, where the rounding of a box shows; all other pixels are the same.
    assert (np.abs(probabilities - raw[:, 1].sigmoid().numpy()) > 1e-3).mean() < 1e-3
    assert (quality == 1).all()


@pytest.mark.parametrize("form", [{}, {"in_channels": 1, "resnet_norm": "FrozenBN"}, {"categories": ["a", "b", "c"]}])
def test_a_form_makes_its_network(form):
    settings = MaskRCNNSettings(**SMALL | form)
    model = MaskRCNN(settings).eval()
    engine, n = engine_of(model), len(settings.categories)
    features = engine.features(np.zeros((2, settings.in_channels, 64, 96), np.float32))
    boxes = np.array([[4, 4, 30, 40], [10, 10, 20, 20]], np.float32)
    masks, _ = engine.masks(features, boxes, np.zeros(2, np.int64), index=1)
    assert masks.shape == (2, 28, 28)
    votes = engine.votes(features, boxes, index=1)
    assert votes.shape == (2, n)
    assert np.allclose(votes.sum(axis=1), 1)
    assert len(features.found) == 2
    assert features.found[0].probabilities.shape[1] == (n if n > 1 else 0)
    assert (np.diff(features.found[0].scores) <= 0).all()


@torch.inference_mode()
def test_folding_changes_no_level():
    model = MaskRCNN(MaskRCNNSettings(**SMALL)).eval()
    x = torch.rand(1, 3, 64, 64)
    quick = folded(model, x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in quick.modules())
    for name, level in model(x).items():
        assert torch.allclose(quick(x)[name], level, atol=1e-4)


def test_sizes_of_the_record_are_those_of_the_network():
    from napari_centermask.models.families import family_of

    for form in ({}, {"in_channels": 2, "categories": ["a", "b"], "mask_head_convs": 2}, {"resnet": "R-50"}):
        settings = MaskRCNNSettings(**SMALL | form)
        family, state = family_of(settings), MaskRCNN(settings).state_dict()
        for name, shape in family.shapes(settings).items():
            assert tuple(state[name].shape) == shape, name
        assert not set(family.strange_keys(settings)) & set(state)
