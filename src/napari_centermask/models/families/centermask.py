"""CenterMask: cells are detected one by one, each with its own mask."""

from __future__ import annotations

from collections.abc import Sequence

from napari_centermask.models.families.family import Family, Shapes
from napari_centermask.settings import ModelSettings, TrainSettings

# Channels of the maps that reach the FPN as P2, P3, P4, P5.
_SLIM, _FULL, _RESNET = (112, 256, 384, 512), (256, 512, 768, 1024), (256, 512, 1024, 2048)
_FPN_INPUTS = {
    "V-19-slim-dw-eSE": _SLIM,
    "V-19-slim-eSE": _SLIM,
    "V-19-dw-eSE": _FULL,
    "V-19-eSE": _FULL,
    "V-39-eSE": _FULL,
    "V-57-eSE": _FULL,
    "V-99-eSE": _FULL,
    "R-50": _RESNET,
    "R-101": _RESNET,
    "X-101": _RESNET,
    "MobileNetV2": (24, 32, 96, 320),
}
_HEADS, _FCOS = "roi_heads", "proposal_generator.fcos_head"


def _check(model: ModelSettings) -> None:
    if model.backbone not in _FPN_INPUTS:
        raise ValueError(f"unknown backbone {model.backbone!r}; known are {', '.join(_FPN_INPUTS)}")


def _shapes(model: ModelSettings) -> Shapes:
    n, width = len(model.categories), model.fpn_channels
    head = model.head_channels or width
    shapes: Shapes = {}
    for level in model.pooled_levels:
        shapes[f"backbone.fpn_lateral{level}.weight"] = (width, _FPN_INPUTS[model.backbone][level - 2], 1, 1)
    step = 3  # convolution, norm, ReLU
    for i in range(model.head_convs):
        shapes[f"{_FCOS}.cls_tower.{step * i}.weight"] = (head, head if i else width, 3, 3)
        if model.head_norm == "GN":
            shapes[f"{_FCOS}.cls_tower.{step * i + 1}.weight"] = (head,)
    shapes[f"{_FCOS}.cls_logits.weight"] = (n, head, 3, 3)
    shapes[f"{_FCOS}.bbox_pred.weight"] = (4, head, 3, 3)
    if model.rates_boxes:
        shapes[f"{_FCOS}.ctrness.weight"] = (1, head, 3, 3)
    for i in range(len(model.strides)):
        shapes[f"{_FCOS}.scales.{i}.scale"] = (1,)
    return shapes | _mask_shapes(model)


def _mask_shapes(model: ModelSettings) -> Shapes:
    n, width, mask, iou = len(model.categories), model.fpn_channels, model.mask_channels, model.maskiou_channels
    shapes: Shapes = {f"{_HEADS}.mask_head.predictor.weight": (1 if model.class_agnostic_mask else n, mask, 1, 1)}
    for i in range(model.mask_convs):
        shapes[f"{_HEADS}.mask_head.mask_fcn{i + 1}.weight"] = (mask, width if i == 0 else mask, 3, 3)
    if model.maskiou:
        for i in range(model.maskiou_convs):
            shapes[f"{_HEADS}.maskiou_head.maskiou_fcn{i + 1}.weight"] = (iou, width + 1 if i == 0 else iou, 3, 3)
        shapes[f"{_HEADS}.maskiou_head.maskiou_fc1.weight"] = (model.maskiou_fc, iou * (-(-model.roi_size // 2)) ** 2)
        shapes[f"{_HEADS}.maskiou_head.maskiou.weight"] = (n, model.maskiou_fc)
    return shapes


def _strange_keys(model: ModelSettings) -> list[str]:
    """The layer after the last of each kind."""
    last = model.maskiou_convs if model.maskiou else 0
    keys = [
        f"{_FCOS}.cls_tower.{3 * model.head_convs}.weight",
        f"{_FCOS}.scales.{len(model.strides)}.scale",
        f"backbone.fpn_lateral{model.first_level - 1}.weight",
        f"{_HEADS}.mask_head.mask_fcn{model.mask_convs + 1}.weight",
        f"{_HEADS}.maskiou_head.maskiou_fcn{last + 1}.weight",
    ]
    if not model.rates_boxes:
        keys.append(f"{_FCOS}.ctrness.weight")
    return keys if model.head_norm == "GN" else [*keys, f"{_FCOS}.cls_tower.1.weight"]


def _graph_sizes(model: ModelSettings) -> dict[str, tuple[int, int]]:
    return {"logits": (2, len(model.categories))} | {
        f"p{level}": (1, model.fpn_channels) for level in model.pooled_levels
    }


def _idle(settings: TrainSettings) -> dict[str, str]:
    model = settings.model
    if not isinstance(model, ModelSettings):
        raise TypeError(f"Expected the form of a CenterMask, got {type(model).__name__}.")
    reasons: dict[str, str] = {}
    if not model.backbone.startswith("V-"):
        reasons["model.ese"] = f"the backbone {model.backbone} has no channel gates"
    if len(model.categories) == 1:
        reasons["model.class_agnostic_mask"] = "there is one category, so one mask in any case"
    if not model.maskiou:
        parts = ("maskiou_convs", "maskiou_channels", "maskiou_fc")
        reasons |= dict.fromkeys((f"model.{part}" for part in parts), "model.maskiou is off")
    losses = settings.instance_losses
    if not model.maskiou:
        reasons["instance_losses.mask_iou"] = "model.maskiou is off"
    if len(model.categories) == 1:
        reasons["instance_losses.class_weights"] = "there is one category"
    if not (losses.mask or losses.mask_dice or losses.mask_boundary):
        reasons["instance_losses.small_cells"] = "none of the losses of masks is on"
    if not model.rates_boxes:
        reasons["instance_losses.box_quality"] = "model.box_quality is none"
    if not losses.box:
        reasons["instance_losses.box_loss"] = "instance_losses.box is 0"
    if not losses.classification:
        reasons["instance_losses.classification_loss"] = "instance_losses.classification is 0"
    return reasons


def _new(channels: int, categories: Sequence[str], diameter: float) -> ModelSettings:
    """Without parts that pool over the tile: the same cell gets the same result in every tile."""
    return ModelSettings(
        in_channels=channels,
        categories=list(categories),
        ese=False,
        top_levels=0,
        head_norm="none",
        roi_levels="area",
        maskiou_channels=64,
        maskiou_fc=128,
    )


_ENGINES = "napari_centermask.engines"
CENTERMASK = Family(
    name="centermask",
    title="CenterMask",
    settings=ModelSettings,
    graphs=("dense", "roi"),
    overlaps=True,
    has_class_maps=False,
    tunes_score=True,
    first_category=0,
    segments_with=("nms", "soft_nms", "max_detections", "flips"),
    trains_with=("instance_losses",),
    check=_check,
    shapes=_shapes,
    strange_keys=_strange_keys,
    graph_sizes=_graph_sizes,
    idle=_idle,
    network="napari_centermask.models.nets.centermask:CenterMask",
    engines={
        "onnx": f"{_ENGINES}.onnx:OnnxEngine",
        "openvino": f"{_ENGINES}.openvino:OpenVinoEngine",
        "tensorrt": f"{_ENGINES}.tensorrt:TensorRtEngine",
        "torch": f"{_ENGINES}.torch:TorchEngine",
    },
    detector="napari_centermask.pipeline.detections:CenterMaskDetector",
    training="napari_centermask.training.families.centermask:PARTS",
    exporter="napari_centermask.deploy.export_centermask",
    compression="napari_centermask.deploy.compress.centermask",
    new=_new,
)
