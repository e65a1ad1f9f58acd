"""Weights of torchvision, detectron2 and Caffe2: whole detectors become models, backbones start a training."""

import pickle

import numpy as np
import pytest
import torch
from torchvision.models import resnet18, resnet50
from torchvision.models.detection import maskrcnn_resnet50_fpn

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.engines.decode import detect_regions
from napari_centermask.engines.load import load_engine
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.nets.mask_rcnn import PROPOSALS, MaskRCNN
from napari_centermask.models.store.other_weights import canonical, fitting
from napari_centermask.models.store.pickles import read_state
from napari_centermask.models.store.zoo import add_model
from napari_centermask.settings import MaskRCNNSettings, ModelSettings, TrainSettings
from napari_centermask.training.run.start import make_start

SMALL = {"resnet": "R-18", "pyramid_channels": 16, "box_fc": 16, "mask_head_convs": 1, "mask_head_channels": 16}


def detectron2_names(body):
    """The weights of a torchvision ResNet under detectron2's names."""
    renamed = {}
    for key, value in body.items():
        parts = key.split(".")
        if parts[0] in ("conv1", "bn1"):
            name = "stem.conv1." + ("norm." if parts[0] == "bn1" else "") + parts[1]
        elif parts[0].startswith("layer"):
            stage, block, layer, *rest = parts
            head = f"res{int(stage[5:]) + 1}.{block}."
            if layer == "downsample":
                name = head + "shortcut." + ("norm." if rest[0] == "1" else "") + rest[1]
            else:
                name = head + f"conv{layer[-1]}." + ("norm." if layer.startswith("bn") else "") + rest[0]
        else:
            continue
        renamed[name] = value
    return renamed


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("conv1_w", "conv1.weight"),
        ("res_conv1_bn_s", "bn1.weight"),
        ("res2_0_branch1_bn_b", "layer1.0.downsample.1.bias"),
        ("res4_22_branch2b_w", "layer3.22.conv2.weight"),
        ("res5_2_branch2c_bn_s", "layer4.2.bn3.weight"),
        ("backbone.bottom_up.res3.0.shortcut.weight", "layer2.0.downsample.0.weight"),
        ("backbone.bottom_up.stem.conv1.norm.running_var", "bn1.running_var"),
        ("backbone.body.layer4.2.bn3.bias", "layer4.2.bn3.bias"),
        ("backbone.fpn_lateral3.bias", "backbone.fpn.inner_blocks.1.0.bias"),
        ("proposal_generator.rpn_head.anchor_deltas.weight", "rpn.head.bbox_pred.weight"),
        ("rpn.head.conv.weight", "rpn.head.conv.0.0.weight"),
        ("roi_heads.mask_head.mask_fcn4.bias", "roi_heads.mask_head.3.0.bias"),
        ("backbone.bottom_up.stage2.OSA2_1.x", "stage2.OSA2_1.x"),
    ],
)
def test_a_layer_has_one_name_whoever_gave_it(given, name):
    assert canonical(given) == name


def test_a_mask_rcnn_of_torchvision_is_installed_and_finds_what_it_found(tmp_path, monkeypatch):
    """From RGB in 0..1, normalised by torchvision, to BGR in 0..255, as our card says it."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    torch.manual_seed(0)
    counts = {"rpn_pre_nms_top_n_test": PROPOSALS, "rpn_post_nms_top_n_test": PROPOSALS}
    theirs = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=96, max_size=128, box_score_thresh=0.01, **counts
    ).eval()
    torch.save(theirs.state_dict(), tmp_path / "maskrcnn.pth")
    add_model(tmp_path / "maskrcnn.pth", "mine")
    engine = load_engine("mine", device="cpu")
    assert engine.card.model.categories == ["class 1", "class 2"]
    rgb = torch.rand(3, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (wanted,) = theirs([rgb])
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (engine.card.mean, engine.card.std))
    tile = (255 * rgb.flip(0).numpy()[None] - mean) / std
    found = detect_regions(engine.features(tile.astype(np.float32)), score=0.4, nms=0.99)
    best = wanted["boxes"][wanted["scores"] >= 0.5].numpy()
    assert len(best) > 3
    for box in best:
        assert np.abs(found.boxes - box).max(axis=1).min() < 0.05


def test_names_of_an_older_torchvision_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    state = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2).state_dict()
    old = {}
    for key, value in state.items():
        key = key.replace("rpn.head.conv.0.0.", "rpn.head.conv.").replace("_blocks.0.0.", "_blocks.0.")
        key = key.replace("mask_head.0.0.", "mask_head.mask_fcn1.")
        old[key] = value
    torch.save(old, tmp_path / "old.pth")
    assert add_model(tmp_path / "old.pth").card.kind == "maskrcnn"


def test_a_mask_rcnn_with_other_parts_is_a_message(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    state = MaskRCNN(MaskRCNNSettings(**SMALL)).state_dict()
    del state["roi_heads.box_head.fc6.weight"]
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(BadModel, match="parts that ours does not have"):
        add_model(tmp_path / "odd.pth")


@pytest.mark.parametrize("form", ["torchvision", "detectron2", "whole"])
def test_a_backbone_starts_a_mask_rcnn(form, tmp_path):
    torch.manual_seed(0)
    body = resnet18(weights=None).state_dict()
    if form == "torchvision":
        torch.save(body, tmp_path / "w.pth")
    else:
        prefix = "backbone.bottom_up." if form == "whole" else ""
        arrays = {prefix + key: value.numpy() for key, value in detectron2_names(body).items()}
        content = {"model": arrays, "__author__": "torchvision", "matching_heuristics": True}
        (tmp_path / "w.pkl").write_bytes(pickle.dumps(content, protocol=2))
    path = next(tmp_path.glob("w.*"))
    settings = TrainSettings(
        data=[tmp_path], out=tmp_path / "run", model=MaskRCNNSettings(**SMALL, in_channels=1), pretrained=str(path)
    )
    state = make_start(settings).model.state_dict()
    assert torch.equal(state["backbone.body.layer3.1.conv2.weight"], body["layer3.1.conv2.weight"])
    assert torch.equal(state["backbone.body.bn1.running_var"], body["bn1.running_var"])
    factor = 1 / np.mean([0.229, 0.224, 0.225]) if form == "torchvision" else 255
    grey = body["conv1.weight"].sum(dim=1, keepdim=True) * factor
    assert torch.allclose(state["backbone.body.conv1.weight"], grey, rtol=1e-4, atol=1e-5)


def test_the_imagenet_file_of_caffe2_starts_a_centermask():
    """As R-50.pkl of MSRA: affine norms alone, Python 2's pickle, momentum beside the weights."""
    model = CenterMask(ModelSettings(backbone="R-50", in_channels=3))
    own = model.state_dict()
    rng = np.random.default_rng(0)
    given = {
        "conv1_w": rng.random((64, 3, 7, 7), np.float32),
        "res_conv1_bn_s": rng.random(64, np.float32),
        "res2_0_branch1_w": rng.random((256, 64, 1, 1), np.float32),
        "res5_2_branch2c_bn_b": rng.random(2048, np.float32),
        "fc1000_b": rng.random(1000, np.float32),
    }
    same = fitting(own, {key: torch.from_numpy(value) for key, value in given.items()})
    assert set(same) == {
        "backbone.bottom_up.stem.conv1.weight",
        "backbone.bottom_up.stem.conv1.norm.weight",
        "backbone.bottom_up.res2.0.shortcut.weight",
        "backbone.bottom_up.res5.2.conv3.norm.bias",
    }
    assert torch.allclose(same["backbone.bottom_up.stem.conv1.weight"], torch.from_numpy(255 * given["conv1_w"]))


def test_a_vovnet_of_its_own_starts_a_centermask():
    model = CenterMask(ModelSettings(in_channels=3))
    own = model.state_dict()
    prefix = "backbone.bottom_up."
    given = {key.removeprefix(prefix): value + 1 for key, value in own.items() if key.startswith(prefix)}
    same = fitting(own, given)
    assert set(same) == {k for k in own if k.startswith(prefix) and not k.endswith("num_batches_tracked")}


def test_detectrons_blobs_are_read_without_momentum(tmp_path):
    blobs = {"conv1_w": np.ones((4, 3, 7, 7), np.float32), "conv1_w_momentum": np.ones(3, np.float32)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"blobs": blobs, "cfg": "text"}, protocol=2))
    assert set(read_state(tmp_path / "a.pkl")) == {"conv1_w"}


def test_weights_without_a_common_layer_are_refused(tmp_path):
    torch.save(resnet50(weights=None).fc.state_dict(), tmp_path / "fc.pth")
    settings = TrainSettings(
        data=[tmp_path], out=tmp_path / "run", model=MaskRCNNSettings(**SMALL), pretrained=str(tmp_path / "fc.pth")
    )
    with pytest.raises(BadSettings, match="no layers in common with this network, a Mask R-CNN, R-18"):
        make_start(settings)
