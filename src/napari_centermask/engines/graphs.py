"""Shared by the graph runtimes: the names of the inputs and outputs of exported graphs."""

from __future__ import annotations

import numpy as np

DENSE_INPUT = "image"
LOCATIONS = ("logits", "ltrb", "centerness")
ROI_OUTPUTS = ("masks", "quality")
MAPS_OUTPUT = "maps"
CARD_KEY = "card"


def pyramid_names(n_levels: int) -> tuple[str, ...]:
    """The levels that cells are pooled from, finest first; the last is P5."""
    return tuple(f"p{level}" for level in range(6 - n_levels, 6))


def dense_outputs(n_levels: int) -> tuple[str, ...]:
    """The outputs of the `dense` graph of a network with this many levels up to P5, in order."""
    return (*pyramid_names(n_levels), *LOCATIONS)


def roi_inputs(n_levels: int) -> tuple[str, ...]:
    """The inputs of the `roi` graph of such a network, in order."""
    return (*pyramid_names(n_levels), "rois", "classes", "image_area")


def roi_feed(
    pyramid: tuple[np.ndarray, ...], boxes: np.ndarray, classes: np.ndarray, index: int, area: float
) -> dict[str, np.ndarray]:
    """The inputs of the `roi` graph by name."""
    rois = np.insert(np.asarray(boxes, np.float32).reshape(-1, 4), 0, index, axis=1)
    values = (*pyramid, rois, np.asarray(classes, np.int64), np.array([area], np.float32))
    return dict(zip(roi_inputs(len(pyramid)), values, strict=True))
