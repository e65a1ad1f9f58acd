"""What the graph runtimes share: the names of the exported graphs' inputs and outputs."""

from __future__ import annotations

import numpy as np

DENSE_INPUT = "image"
DENSE_OUTPUTS = ("p3", "p4", "p5", "logits", "ltrb", "centerness")
ROI_INPUTS = ("p3", "p4", "p5", "rois", "classes", "image_area")
ROI_OUTPUTS = ("masks", "quality")
MAPS_OUTPUT = "maps"
CARD_KEY = "card"


def roi_feed(
    pyramid: tuple[np.ndarray, ...], boxes: np.ndarray, classes: np.ndarray, index: int, area: float
) -> dict[str, np.ndarray]:
    """The inputs of the `roi` graph by name."""
    rois = np.insert(np.asarray(boxes, np.float32).reshape(-1, 4), 0, index, axis=1)
    values = (*pyramid, rois, np.asarray(classes, np.int64), np.array([area], np.float32))
    return dict(zip(ROI_INPUTS, values, strict=True))
