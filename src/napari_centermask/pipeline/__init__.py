"""Segment an image of planes: check, scale, cut into tiles, run an engine, merge."""

from napari_centermask.pipeline.planes import Plane, planes_of
from napari_centermask.pipeline.progress import Progress
from napari_centermask.pipeline.segmentation import (
    PlaneCells,
    diameter_steps,
    estimate_diameter,
    map_classes,
    score_of,
    segment,
    segment_plane,
    segment_planes,
    with_card_defaults,
)

__all__ = [
    "Plane",
    "PlaneCells",
    "Progress",
    "diameter_steps",
    "estimate_diameter",
    "map_classes",
    "planes_of",
    "score_of",
    "segment",
    "segment_plane",
    "segment_planes",
    "with_card_defaults",
]
