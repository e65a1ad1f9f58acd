"""Mask R-CNN: cells are found in two steps, regions first; here for comparison with CenterMask."""

from __future__ import annotations

from collections.abc import Sequence

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.families.family import Family, Shapes
from napari_centermask.settings import MaskRCNNSettings, TrainSettings

_HEADS = "roi_heads"
_LADDER = (0.4, 0.8, 1.6, 3.2, 6.4)
"""Sides of the anchors by the diameter of the cells: the settings' defaults, which are for 40 pixels."""


def _check(model: MaskRCNNSettings) -> None:
    """All settings are valid."""


def _shapes(model: MaskRCNNSettings) -> Shapes:
    n, width, mask, fc = 1 + len(model.categories), model.pyramid_channels, model.mask_head_channels, model.box_fc
    anchors = len(model.anchor_ratios)
    return {
        "backbone.body.conv1.weight": (64, model.in_channels, 7, 7),
        "backbone.fpn.inner_blocks.0.0.weight": (width, 64 if model.resnet in ("R-18", "R-34") else 256, 1, 1),
        "rpn.head.cls_logits.weight": (anchors, width, 1, 1),
        "rpn.head.bbox_pred.weight": (4 * anchors, width, 1, 1),
        f"{_HEADS}.box_head.fc6.weight": (fc, width * model.box_size**2),
        f"{_HEADS}.box_predictor.cls_score.weight": (n, fc),
        f"{_HEADS}.box_predictor.bbox_pred.weight": (4 * n, fc),
        f"{_HEADS}.mask_head.0.0.weight": (mask, width, 3, 3),
        f"{_HEADS}.mask_head.{model.mask_head_convs - 1}.0.bias": (mask,),
        f"{_HEADS}.mask_predictor.mask_fcn_logits.weight": (n, mask, 1, 1),
    }


def _strange_keys(model: MaskRCNNSettings) -> list[str]:
    """The convolution after the last."""
    return [f"{_HEADS}.mask_head.{model.mask_head_convs}.0.weight"]


def _no_graphs(model: MaskRCNNSettings) -> dict[str, tuple[int, int]]:
    """How many regions there are is known while it runs, which our graphs do not hold."""
    return {}


def _idle(settings: TrainSettings) -> dict[str, str]:
    reasons: dict[str, str] = {}
    regions = settings.regions
    if len(settings.model.categories) == 1:
        reasons["regions.class_weights"] = "there is one category"
    elif not regions.classification:
        reasons["regions.class_weights"] = "regions.classification is 0"
    return reasons


def _new(channels: int, categories: Sequence[str], diameter: float) -> MaskRCNNSettings:
    return MaskRCNNSettings(
        in_channels=channels, categories=list(categories), anchor_sizes=[round(n * diameter, 1) for n in _LADDER]
    )


def _check_new(settings: TrainSettings) -> None:
    """Anchors of which none can hold a typical cell would be trained on background alone.

    The overlap of a cell's box with an anchor is at most the smaller area divided by the larger one, whatever their shapes.
    """
    model, cell = settings.model, settings.diameter
    if not isinstance(model, MaskRCNNSettings):
        raise TypeError(f"Expected the form of a Mask R-CNN, got {type(model).__name__}.")
    sizes, shown = model.anchor_sizes, _numbers(model.anchor_sizes)
    suitable = f"Suitable for cells of {cell:g} pixels: {_numbers([n * cell for n in _LADDER])}."
    if sorted(set(sizes)) != sizes:
        raise BadSettings(
            f"model.anchor_sizes: expected sizes that increase from the finest level to the coarsest, got {shown}. {suitable}"
        )
    most = max(min(size, cell) / max(size, cell) for size in sizes) ** 2
    if most < settings.regions.anchor_iou[0]:
        raise BadSettings(
            f"model.anchor_sizes: anchors of {shown} pixels overlap cells of {cell:g} pixels by at most {most:.2f} (IoU); below "
            f"{settings.regions.anchor_iou[0]:g} they count as background (regions.anchor_iou). {suitable}"
        )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


MASK_RCNN = Family(
    name="maskrcnn",
    title="Mask R-CNN",
    settings=MaskRCNNSettings,
    graphs=(),
    overlaps=True,
    has_class_maps=False,
    tunes_score=True,
    first_category=1,
    segments_with=("nms", "max_detections"),
    trains_with=("regions",),
    check=_check,
    shapes=_shapes,
    strange_keys=_strange_keys,
    graph_sizes=_no_graphs,
    idle=_idle,
    network="napari_centermask.models.nets.mask_rcnn:MaskRCNN",
    engines={"torch": "napari_centermask.engines.torch:TorchRegionEngine"},
    detector="napari_centermask.pipeline.region_detections:RegionDetector",
    training="napari_centermask.training.families.mask_rcnn:PARTS",
    exporter="",
    new=_new,
    new_fields={
        "Anchors and resolution of the network": ("anchor_sizes", "anchor_ratios", "box_size", "roi_size"),
        "Layers of the network": (
            *("resnet", "resnet_norm", "pyramid_channels"),
            *("box_fc", "mask_head_convs", "mask_head_channels"),
        ),
    },
    check_new=_check_new,
)
