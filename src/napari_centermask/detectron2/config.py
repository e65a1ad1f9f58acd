"""Configurations of detectron2, with the keys of CenterMask2, which it does not know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_centermask.core.errors import BadModel
from napari_centermask.detectron2.installed import require
from napari_centermask.models.store.reference import settings_from_reference
from napari_centermask.settings import ModelSettings

LARGEST = 1_000_000
"""Bytes of a configuration file; larger ones are something else. A choice: the largest in detectron2 has 10,000."""

BACKBONES = ("build_fcos_vovnet_fpn_backbone", "build_fcos_resnet_fpn_backbone", "build_fcos_mobilenetv2_fpn_backbone")
"""CenterMask2's names of what builds VoVNetV2, ResNet and ResNeXt, and MobileNetV2, each with its pyramid."""
# The keys that CenterMask2 adds to those of detectron2, with its defaults where the published models show them.
_FCOS: dict[str, Any] = {
    "NUM_CLASSES": 80,
    "IN_FEATURES": ["p3", "p4", "p5", "p6", "p7"],
    "FPN_STRIDES": [8, 16, 32, 64, 128],
    "PRIOR_PROB": 0.01,
    "INFERENCE_TH_TRAIN": 0.05,
    "INFERENCE_TH_TEST": 0.05,
    "NMS_TH": 0.6,
    "PRE_NMS_TOPK_TRAIN": 1000,
    "PRE_NMS_TOPK_TEST": 1000,
    "POST_NMS_TOPK_TRAIN": 100,
    "POST_NMS_TOPK_TEST": 50,
    "TOP_LEVELS": 2,
    "NORM": "GN",
    "USE_SCALE": True,
    "THRESH_WITH_CTR": False,
    "LOSS_ALPHA": 0.25,
    "LOSS_GAMMA": 2.0,
    "SIZES_OF_INTEREST": [64, 128, 256, 512],
    "USE_RELU": True,
    "USE_DEFORMABLE": False,
    "NUM_CLS_CONVS": 4,
    "NUM_BOX_CONVS": 4,
    "NUM_SHARE_CONVS": 0,
    "CENTER_SAMPLE": True,
    "POS_RADIUS": 1.5,
    "LOC_LOSS_TYPE": "giou",
}
_VOVNET: dict[str, Any] = {
    "CONV_BODY": "V-39-eSE",
    "OUT_FEATURES": ["stage3", "stage4", "stage5"],
    "NORM": "FrozenBN",
    "OUT_CHANNELS": 256,
    "BACKBONE_OUT_CHANNELS": 256,
    "STAGE_WITH_DCN": [False, False, False, False],
    "WITH_MODULATED_DCN": False,
    "DEFORMABLE_GROUPS": 1,
}
_FIXED = (
    *("THRESH_WITH_CTR", "LOSS_ALPHA", "LOSS_GAMMA", "SIZES_OF_INTEREST", "USE_RELU", "CENTER_SAMPLE", "POS_RADIUS"),
    *("LOC_LOSS_TYPE", "PRIOR_PROB"),
)
"""Keys of FCOS whose defaults our modules have built in: other values are refused."""


def add_centermask_config(cfg: Any) -> None:
    """Add the keys of CenterMask2 to a configuration of detectron2, so that its YAML files can be merged into it."""
    from detectron2.config import CfgNode

    model = cfg.MODEL
    model.FCOS = CfgNode(_FCOS)
    model.VOVNET = CfgNode(_VOVNET)
    model.MOBILENET = CfgNode(new_allowed=True)
    model.MASKIOU_ON = False
    model.MASKIOU_LOSS_WEIGHT = 1.0
    model.ROI_MASK_HEAD.ASSIGN_CRITERION = "area"
    model.ROI_MASKIOU_HEAD = CfgNode({"NAME": "MaskIoUHead", "CONV_DIM": 256, "NUM_CONV": 4})


def load_config(path: Path | str, *, options: list[str] | None = None) -> Any:
    """Read a YAML file of detectron2 or CenterMask2, with the files that it is based on.

    Parameters
    ----------
    options
        Keys and values that replace those of the file, in turn, as detectron2's `--opts`.

    Returns
    -------
    detectron2.config.CfgNode

    Raises
    ------
    MissingExtra
        Without detectron2.
    BadModel
        If the file cannot be read, is a Python file, or has keys that neither knows.
    """
    require()
    from detectron2.config import get_cfg

    path = Path(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise BadModel(
            f"{path.name} is not a YAML file. Configurations in Python would run code and are never opened; choose a .yaml."
        )
    _check_bases(path)
    cfg = get_cfg()
    add_centermask_config(cfg)
    try:
        cfg.merge_from_file(str(path), allow_unsafe=False)
        cfg.merge_from_list(options or [])
    except (
        Exception
    ) as error:  # yacs, PyYAML and fvcore raise errors of many classes, KeyError and AssertionError among them
        raise BadModel(f"{path.name} is no configuration that detectron2 can read: {_one_line(error)}.") from error
    return cfg


def read_config(text: str) -> Any:
    """A configuration from its YAML, as `cfg.dump()` wrote it."""
    require()
    import yaml
    from detectron2.config import CfgNode, get_cfg

    cfg = get_cfg()
    add_centermask_config(cfg)
    try:
        cfg.merge_from_other_cfg(CfgNode(yaml.safe_load(text)))
    except Exception as error:  # as above
        raise BadModel(f"The configuration in the model card cannot be read: {_one_line(error)}.") from error
    return cfg


def is_centermask(cfg: Any) -> bool:
    """Whether a configuration asks for CenterMask2's modules, which are ours here."""
    return cfg.MODEL.BACKBONE.NAME in BACKBONES or cfg.MODEL.PROPOSAL_GENERATOR.NAME == "FCOS"


def form_of(cfg: Any) -> ModelSettings:
    """The form of the CenterMask that a configuration describes; its parts are read only where they are used.

    Raises
    ------
    BadModel
        Naming what our modules do not have.
    """
    model = cfg.MODEL
    name = model.BACKBONE.NAME
    known = model.FCOS
    wrong = [f"MODEL.FCOS.{key}={known[key]}" for key in _FIXED if known[key] != _FCOS[key]]
    if model.PROPOSAL_GENERATOR.NAME == "FCOS" and wrong:
        raise BadModel(f"This configuration has {', '.join(wrong)}, which our FCOS does not support. Leave it out.")
    values = {
        "PIXEL_MEAN": list(model.PIXEL_MEAN),
        "BACKBONE": dict(model.BACKBONE),
        "FPN": dict(model.FPN),
        "FCOS": dict(model.FCOS),
        "ROI_MASK_HEAD": dict(model.ROI_MASK_HEAD) | {"NUM_CONV": max(1, model.ROI_MASK_HEAD.NUM_CONV)},
        "ROI_MASKIOU_HEAD": dict(model.ROI_MASKIOU_HEAD),
        "MASKIOU_ON": model.MASKIOU_ON,
    }
    if "vovnet" in name:
        values["VOVNET"] = dict(model.VOVNET)
    elif "resnet" in name:
        values["RESNETS"] = dict(model.RESNETS)
    try:
        form = settings_from_reference(values)
    except (ValidationError, KeyError) as error:
        raise BadModel(f"This configuration does not describe one of our networks: {_one_line(error)}.") from error
    if "resnet" in name and bool(model.RESNETS.STRIDE_IN_1X1) != (form.backbone != "X-101"):
        raise BadModel(
            f"This configuration has MODEL.RESNETS.STRIDE_IN_1X1={model.RESNETS.STRIDE_IN_1X1}, which our {form.backbone} does "
            "not support. Choose detectron2's own backbone, build_resnet_fpn_backbone."
        )
    return form.model_copy(update={"roi_size": model.ROI_MASK_HEAD.POOLER_RESOLUTION})


def _check_bases(path: Path, depth: int = 0) -> None:
    """Follow `_BASE_` on this computer only."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadModel(f"{path.name} is too large for a configuration. Choose another file.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadModel(f"{path.name} cannot be read: {error}. Check the path.") from error
    base = re.search(r"^_BASE_:\s*[\"']?([^\"'\n#]+?)[\"']?\s*$", text, re.MULTILINE)
    if base is None or depth > 10:
        return
    if "://" in base[1]:
        raise BadModel(f"{path.name} is based on {base[1]}, which would be downloaded. Put that file beside it.")
    _check_bases((path.parent / Path(base[1]).expanduser()), depth + 1)


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
