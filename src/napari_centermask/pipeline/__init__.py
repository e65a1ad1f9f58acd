"""An image becomes instances: checked, scaled, cut into tiles, run through an engine, merged."""

from napari_centermask.pipeline.class_maps import class_image, class_map_steps, class_maps
from napari_centermask.pipeline.diameter import diameter_steps, estimate_diameter
from napari_centermask.pipeline.intensities import check_intensities
from napari_centermask.pipeline.regions import segment_within
from napari_centermask.pipeline.segmentation import segment, segment_steps
from napari_centermask.pipeline.source import Source
from napari_centermask.pipeline.steps import Progress, suited

__all__ = [
    "Progress",
    "Source",
    "check_intensities",
    "class_image",
    "class_map_steps",
    "class_maps",
    "diameter_steps",
    "estimate_diameter",
    "segment",
    "segment_steps",
    "segment_within",
    "suited",
]
