"""Published CenterMask2 checkpoints: recognised by their names and shapes, or by their configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_centermask.core.errors import BadModel
from napari_centermask.models.nets.vovnet import SPECS
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import State, check_state
from napari_centermask.models.store.pickles import read_state
from napari_centermask.settings import ModelSettings

LICENCE = "CC BY-NC 4.0"
NOTICE = (
    "Published CenterMask2 weights are treated as CC BY-NC 4.0: they may not be used commercially, "
    "and models fine-tuned from them keep that condition."
)
PHOTOGRAPH_DIAMETER = 96.0
"""Diameter in pixels of cells for a model from photographs: COCO's border between medium and large objects."""
_RESNETS = ((None, 1, 64), (50, 1, 64), (101, 1, 64), (101, 32, 8))
"""Depths, groups and widths of the ResNets; no depth where the backbone is another one."""
BACKBONES = (*SPECS, "R-50", "R-101", "X-101", "MobileNetV2")
HEAD = "proposal_generator.fcos_head."
MASK = "roi_heads.mask_head."
IOU = "roi_heads.maskiou_head."
BOTTOM = "backbone.bottom_up."
Shapes = dict[str, tuple[int, ...]]


def convert_reference(path: Path, state: State | None = None) -> tuple[State, ModelCard]:
    """Read a published CenterMask2 checkpoint (.pth, .pt, .pkl) and make its card.

    Parameters
    ----------
    state
        The weights, if they have been read already.

    Returns
    -------
    state
        Fits `CenterMask(card.model)`.
    card
        With the licence of the published weights.

    Raises
    ------
    BadModel
        If the file has anything but tensors, or is not a supported CenterMask2.
    """
    path = Path(path)
    state = read_state(path) if state is None else state
    settings = guess_settings(state, where=path.name)
    check_state(settings, state, where=path.name)
    card = ModelCard(
        name=name_from(path, otherwise="centermask2"),
        licence=LICENCE,
        model=settings,
        diameter=PHOTOGRAPH_DIAMETER,
        normalisation="reference",
        mean=[103.53, 116.28, 123.675] if settings.in_channels == 3 else [0.0],
        std=[1.0],
        description=f"Converted from {path.name}. {NOTICE}",
        limits=["Trained on photographs, not on microscopy.", NOTICE],
    )
    return {k: v.float() for k, v in state.items()}, card


def name_from(path: Path, *, otherwise: str) -> str:
    """The name of a model after the file that it comes from; another one if no character of that can be in a name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:100] or otherwise


def settings_from_reference(values: dict[str, Any]) -> ModelSettings:
    """The settings of a reference model from its configuration (the MODEL part of a detectron2 config).

    Parameters
    ----------
    values
        With BACKBONE, FPN, FCOS, ROI_MASK_HEAD, ROI_MASKIOU_HEAD, MASKIOU_ON and VOVNET or RESNETS.

    Raises
    ------
    BadModel
        If it uses parts that are not supported: deformable convolutions, groups other than those of X-101, shared towers, norms
        in the FPN.
    """
    fcos, fpn, mask = values["FCOS"], values["FPN"], values["ROI_MASK_HEAD"]
    iou = values.get("ROI_MASKIOU_HEAD", {})
    vovnet, resnet = values.get("VOVNET", {}), values.get("RESNETS", {})
    faults = {
        "deformable convolutions": any(vovnet.get("STAGE_WITH_DCN", ())) or any(resnet.get("DEFORM_ON_PER_STAGE", ())),
        "deformable heads": fcos.get("USE_DEFORMABLE", False),
        "groups other than those of X-101": (resnet.get("DEPTH"), *_groups(resnet)) not in _RESNETS,
        "shared towers": fcos.get("NUM_SHARE_CONVS", 0) > 0,
        "towers of two depths": fcos["NUM_CLS_CONVS"] != fcos.get("NUM_BOX_CONVS", fcos["NUM_CLS_CONVS"]),
        "no scales": not fcos.get("USE_SCALE", True),
        "a norm in the FPN or the mask head": bool(fpn.get("NORM") or mask.get("NORM")),
    }
    if any(faults.values()):
        unsupported = ", ".join(k for k, wrong in faults.items() if wrong)
        raise BadModel(
            f"This CenterMask2 uses {unsupported}, which is not supported. Choose one of {', '.join(BACKBONES)}."
        )
    return ModelSettings(
        backbone=_named_backbone(values),
        in_channels=len(values.get("PIXEL_MEAN", (0, 0, 0))),
        categories=_categories(fcos["NUM_CLASSES"]),
        backbone_norm=(vovnet or resnet).get("NORM", "FrozenBN"),
        fpn_channels=fpn["OUT_CHANNELS"],
        top_levels=fcos.get("TOP_LEVELS", 2),
        head_convs=fcos["NUM_CLS_CONVS"],
        head_norm="GN" if fcos.get("NORM", "GN") == "GN" else "none",
        mask_convs=mask["NUM_CONV"],
        mask_channels=mask["CONV_DIM"],
        class_agnostic_mask=mask.get("CLS_AGNOSTIC_MASK", False),
        maskiou=values.get("MASKIOU_ON", True),
        maskiou_convs=iou.get("NUM_CONV", 2),
        maskiou_channels=iou.get("CONV_DIM", 128),
        roi_levels=mask.get("ASSIGN_CRITERION", "ratio"),
    )


def _named_backbone(values: dict[str, Any]) -> str:
    name = values["BACKBONE"]["NAME"]
    if "vovnet" in name:
        return values["VOVNET"]["CONV_BODY"]
    if "mobilenet" in name:
        return "MobileNetV2"
    resnet = values["RESNETS"]
    return f"{'R' if _groups(resnet)[0] == 1 else 'X'}-{resnet['DEPTH']}"


def _groups(resnet: dict[str, Any]) -> tuple[int, int]:
    """Groups of the 3x3 convolutions and the width of each."""
    return resnet.get("NUM_GROUPS", 1), resnet.get("WIDTH_PER_GROUP", 64)


def _categories(count: int) -> list[str]:
    return [f"class {i + 1}" for i in range(count)]


def guess_settings(state: State, *, where: str) -> ModelSettings:
    """The settings of a reference model from names and shapes; the rest is taken from the lite models.

    Raises
    ------
    BadModel
        If the names are not those of CenterMask2, or use parts that are not supported.
    """
    shapes = {k: tuple(v.shape) for k, v in state.items()}
    if not any(k.startswith(HEAD) for k in shapes) or not any(k.startswith(MASK) for k in shapes):
        first = ", ".join(list(shapes)[:3])
        raise BadModel(
            f"{where} does not have the weights of a CenterMask2 (its first is {first}). Choose another file."
        )
    if any("conv_offset" in k for k in shapes):
        raise BadModel(f"{where} uses deformable convolutions, which are not supported. Choose the model without DCN.")

    def size(key: str, axis: int, default: int) -> int:
        shape = shapes.get(key, ())
        return shape[axis] if len(shape) > axis else default

    backbone, first = _guess_backbone(shapes, where)
    classes = size(HEAD + "cls_logits.weight", 0, 80)
    try:
        return ModelSettings(
            backbone=backbone,
            in_channels=size(first, 1, 3),
            categories=_categories(classes),
            backbone_norm="FrozenBN",
            fpn_channels=size(HEAD + "cls_logits.weight", 1, 128),
            top_levels=sum(f"backbone.top_block.p{level}.weight" in shapes for level in (6, 7)),
            head_convs=max(1, sum(len(s) == 4 for k, s in shapes.items() if k.startswith(HEAD + "cls_tower."))),
            head_norm="GN" if HEAD + "cls_tower.1.weight" in shapes else "none",
            mask_convs=max(1, _count(shapes, MASK + "mask_fcn")),
            mask_channels=size(MASK + "mask_fcn1.weight", 0, 128),
            class_agnostic_mask=size(MASK + "predictor.weight", 0, classes) == 1 < classes,
            maskiou=any(k.startswith(IOU) for k in shapes),
            maskiou_convs=max(1, _count(shapes, IOU + "maskiou_fcn")),
            maskiou_channels=size(IOU + "maskiou_fcn1.weight", 0, 128),
            maskiou_fc=size(IOU + "maskiou_fc1.weight", 0, 1024),
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise BadModel(
            f"{where} does not have the sizes of a CenterMask2 ({fault['loc'][0]}: {fault['msg']}). "
            "Choose another file."
        ) from error


def _count(shapes: Shapes, prefix: str) -> int:
    return sum(k.startswith(prefix) and k.endswith(".weight") for k in shapes)


def _guess_backbone(shapes: Shapes, where: str) -> tuple[str, str]:
    """Name of the backbone and of its first layer's weights."""
    if any(k.startswith(BOTTOM + "stage5.") for k in shapes):
        blocks = tuple(
            len({k.split(".")[3] for k in shapes if k.startswith(f"{BOTTOM}stage{s}.OSA")}) for s in range(2, 6)
        )
        prefix = BOTTOM + "stage2.OSA2_1.layers."
        layers = len({k.removeprefix(prefix).split(".")[0] for k in shapes if k.startswith(prefix)})
        depthwise = any("dw_conv3x3" in k for k in shapes)
        outputs = shapes.get(BOTTOM + "stage3.OSA3_1.concat.OSA3_1_concat/conv.weight", (0,))[:1]
        for name, spec in SPECS.items():
            ours = (spec.blocks, spec.layers, spec.depthwise, spec.out_channels[1:2])
            if ours == (blocks, layers, depthwise, outputs):
                return name, BOTTOM + "stem.stem_1/conv.weight"
    if any(k.startswith(BOTTOM + "res4.") for k in shapes):
        deep = len({k.split(".")[3] for k in shapes if k.startswith(BOTTOM + "res4.")})
        width = shapes.get(BOTTOM + "res2.0.conv2.weight", (64, 64))
        known = {(6, 64, 64): "R-50", (23, 64, 64): "R-101", (23, 256, 8): "X-101"}
        name = known.get((deep, width[0], width[1])) if len(width) > 1 else None
        if name:
            return name, BOTTOM + "stem.conv1.weight"
    if any(k.startswith(BOTTOM + "features.17.") for k in shapes):
        return "MobileNetV2", BOTTOM + "features.0.0.weight"
    raise BadModel(f"The backbone of {where} is not supported. Choose a model with one of {', '.join(BACKBONES)}.")
