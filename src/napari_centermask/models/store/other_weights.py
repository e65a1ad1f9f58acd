"""Weights of torchvision, timm and detectron2 for our networks: whole Mask R-CNNs, and backbones to start a training with.

Names of layers differ from program to program; all are brought to one form, that of torchvision, and compared in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import IGNORED, State, check_state
from napari_centermask.models.store.reference import BOTTOM, PHOTOGRAPH_DIAMETER, name_from
from napari_centermask.models.store.timm_weights import GATE, is_timm, rename_timm
from napari_centermask.settings import MaskRCNNSettings

PUBLISHERS_LICENCE = "As its publisher says"
"""Of weights whose files do not say it."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in ImageNet, as torchvision normalises
_RESNETS = {(64, 2): "R-18", (64, 6): "R-34", (256, 6): "R-50", (256, 23): "R-101"}
"""By the channels of the first stage and the blocks of the third."""
_FIRST = ("conv1.weight", "stem.stem_1/conv.weight", "features.0.0.weight")
"""The first layers of the ResNets, the VoVNets and MobileNetV2."""

Rules = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
"""Patterns, and what replaces them in a name, one after another."""

# What torchvision called its layers before 0.13; detectron2 calls those of the mask head so, too.
_OLD: Rules = (
    (r"^roi_heads\.mask_head\.mask_fcn(\d)\.", lambda m: f"roi_heads.mask_head.{int(m[1]) - 1}.0."),
    (r"^rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
    (r"^backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(weight|bias)$", r"backbone.fpn.\1_blocks.\2.0.\3"),
)
# detectron2's names, and those of Caffe2 before them, in torchvision's; a shortcut is a "downsample" there.
_CAFFE2: Rules = (
    (r"^conv1_w$", "conv1.weight"),
    (r"^res_conv1_bn_s$", "bn1.weight"),
    (r"^res_conv1_bn_b$", "bn1.bias"),
    (r"^res(\d)_(\d+)_branch1_w$", r"res\1.\2.shortcut.weight"),
    (r"^res(\d)_(\d+)_branch1_bn_s$", r"res\1.\2.shortcut.norm.weight"),
    (r"^res(\d)_(\d+)_branch1_bn_b$", r"res\1.\2.shortcut.norm.bias"),
    (r"^res(\d)_(\d+)_branch2([abc])_w$", r"res\1.\2.conv\3.weight"),
    (r"^res(\d)_(\d+)_branch2([abc])_bn_s$", r"res\1.\2.conv\3.norm.weight"),
    (r"^res(\d)_(\d+)_branch2([abc])_bn_b$", r"res\1.\2.conv\3.norm.bias"),
    (r"(res\d\.\d+\.conv)a\b", r"\g<1>1"),
    (r"(res\d\.\d+\.conv)b\b", r"\g<1>2"),
    (r"(res\d\.\d+\.conv)c\b", r"\g<1>3"),
)
_DETECTRON2: Rules = (
    (r"^(?:module\.)?(?:backbone\.bottom_up\.|backbone\.body\.|bottom_up\.|body\.)", ""),
    (r"^stem\.conv1\.norm\.", "bn1."),
    (r"^stem\.conv1\.", "conv1."),
    (r"\.shortcut\.norm\.", ".downsample.1."),
    (r"\.shortcut\.", ".downsample.0."),
    (r"\.conv(\d)\.norm\.", r".bn\1."),
    (r"^backbone\.fpn_lateral(\d)\.", lambda m: f"backbone.fpn.inner_blocks.{int(m[1]) - 2}.0."),
    (r"^backbone\.fpn_output(\d)\.", lambda m: f"backbone.fpn.layer_blocks.{int(m[1]) - 2}.0."),
    (r"^proposal_generator\.rpn_head\.conv\.", "rpn.head.conv.0.0."),
    (r"^proposal_generator\.rpn_head\.objectness_logits\.", "rpn.head.cls_logits."),
    (r"^proposal_generator\.rpn_head\.anchor_deltas\.", "rpn.head.bbox_pred."),
    (r"^roi_heads\.box_head\.fc([12])\.", lambda m: f"roi_heads.box_head.fc{int(m[1]) + 5}."),
    (r"^roi_heads\.mask_head\.deconv\.", "roi_heads.mask_predictor.conv5_mask."),
    (r"^res(\d)\.", lambda m: f"layer{int(m[1]) - 1}."),
)


def is_mask_rcnn(state: State) -> bool:
    """Whether these are the weights of a whole Mask R-CNN of torchvision's."""
    return {"rpn.head.bbox_pred.weight", "roi_heads.mask_predictor.mask_fcn_logits.weight"} <= state.keys()


def convert_mask_rcnn(state: State, path: Path) -> tuple[State, ModelCard]:
    """A Mask R-CNN of torchvision's as one of ours: the weights under today's names, and a card.

    Its images are RGB in 0..1 and ours BGR in 0..255 there, so that the first layer's channels are turned.

    Raises
    ------
    BadModel
        If its parts are not those of `maskrcnn_resnet50_fpn` or one of its sisters.
    """
    state = {_renamed(key, _OLD): value.float() for key, value in state.items()}
    settings = _form(state, path.name)
    check_state(settings, state, where=path.name)
    first = "backbone.body.conv1.weight"
    state[first] = state[first].flip(1)
    card = ModelCard(
        name=name_from(path, otherwise="maskrcnn"),
        licence=PUBLISHERS_LICENCE,
        model=settings,
        diameter=PHOTOGRAPH_DIAMETER,
        normalisation="reference",
        mean=[255 * value for value in reversed(_MEAN)],
        std=[255 * value for value in reversed(_STD)],
        description=f"Converted from {path.name}.",
        limits=["Trained on photographs, not on microscopy."],
    )
    return state, card


def _form(state: State, where: str) -> MaskRCNNSettings:
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    try:
        n = shapes["roi_heads.box_predictor.cls_score.weight"][0] - 1
        blocks = len({key.split(".")[3] for key in shapes if key.startswith("backbone.body.layer3.")})
        resnet = _RESNETS[shapes["backbone.fpn.inner_blocks.0.0.weight"][1], blocks]
        fc, pooled = shapes["roi_heads.box_head.fc6.weight"]
        width = shapes["backbone.fpn.layer_blocks.0.0.weight"][0]
        return MaskRCNNSettings(
            resnet=resnet,
            resnet_norm="FrozenBN",
            in_channels=shapes["backbone.body.conv1.weight"][1],
            categories=[f"class {number}" for number in range(1, n + 1)],
            pyramid_channels=width,
            anchor_sizes=[32, 64, 128, 256, 512],
            box_size=round((pooled / width) ** 0.5),
            box_fc=fc,
            mask_head_convs=sum(key.startswith("roi_heads.mask_head.") and key.endswith("weight") for key in shapes),
            mask_head_channels=shapes["roi_heads.mask_predictor.conv5_mask.weight"][0],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise BadModel(
            f"{where} is a Mask R-CNN of torchvision's with parts that ours does not have ({error}). Choose "
            "maskrcnn_resnet50_fpn."
        ) from error


def fitting(own: State, given: State) -> State:
    """The given weights that a network has a place for, under its names.

    A first layer for another number of channels gets the mean over the given ones, and one made for intensities up to 255, or
    in standard deviations of ImageNet, is scaled to ours, 0 to 1.

    Parameters
    ----------
    own
        Of the network.
    given
        Of torchvision, timm, detectron2 or Caffe2: a whole detector, or a backbone alone.

    Raises
    ------
    BadModel
        If they are timm's VoVNet or MobileNetV2 and the network has another backbone of that kind.
    """
    is_of_timm = is_timm(given)
    if is_of_timm:
        given = rename_timm(given)
    is_torchvision = is_of_timm or "conv1.weight" in given
    firsts = _FIRST if is_of_timm else _FIRST[:1]
    by_name = {canonical(key): value.float() for key, value in given.items()}
    found: State = {}
    for key, value in own.items():
        other = by_name.get(canonical(key))
        if other is None or key.endswith(IGNORED):
            continue
        if canonical(key) in firsts and other.dim() == 4 and other.shape[2:] == value.shape[2:]:
            other = _first_layer(other, value.shape[1], is_torchvision=is_torchvision)
        if other.shape == value.shape:
            found[key] = other
    if is_of_timm and found:
        _check_whole(own, given, found)
    return found


def _check_whole(own: State, given: State, found: State) -> None:
    """Refuse a part of a backbone of timm's: sizes of one kind share some shapes, and would give a mixture."""

    def convolutions(state: State) -> set[str]:
        return {canonical(key) for key, value in state.items() if value.dim() == 4 and GATE not in key}

    needed = convolutions({key: value for key, value in own.items() if key.startswith(BOTTOM)})
    fitting_ones = convolutions(found)
    if wrong := (needed ^ fitting_ones) | (convolutions(given) - needed):
        raise BadModel(
            f"The weights are timm's for another backbone: {len(fitting_ones)} of the {len(needed)} convolutions of this "
            f"network's are in them, and {len(wrong)} differ. Choose the backbone that they were made for; docs/models.md "
            "lists them."
        )


def canonical(key: str) -> str:
    """The name of a layer in torchvision's way, whoever gave it."""
    return _renamed(key, (*_CAFFE2, *_DETECTRON2, *_OLD))


def _renamed(key: str, rules: Rules) -> str:
    for pattern, name in rules:
        key = re.sub(pattern, name, key)
    return key


def _first_layer(weight: torch.Tensor, channels: int, *, is_torchvision: bool) -> torch.Tensor:
    scaled = weight / (sum(_STD) / len(_STD)) if is_torchvision else weight * 255
    if weight.shape[1] == channels:
        return scaled
    return scaled.mean(dim=1, keepdim=True).expand(-1, channels, -1, -1) * (weight.shape[1] / channels)
