"""How well the outlines of matched cells agree: Boundary IoU.

Source: B. Cheng, R. Girshick, P. Dollár, A. C. Berg and A. Kirillov, Boundary IoU: Improving Object-Centric Image Segmentation
Evaluation, CVPR 2021. It is the IoU of the two inner bands along the outlines, so that pixels deep inside, which are hard to
get wrong, do not count; the mask IoU of a large cell hides an outline that is off by pixels. It was chosen over the boundary
F-score (G. Csurka et al., BMVC 2013) because it compares one cell with one cell, overlapping or not, and has no tolerance
within which every error is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import distance_transform_cdt

from napari_centermask.core.instances import Instance, intersection
from napari_centermask.evaluation.matching import Pairs

BAND = 0.1
"""Width of the band as a fraction of the annotated cell's diameter, at least one pixel.

The paper takes 2 % of the image's diagonal, which is made for photographs: in a field of 1024 x 1024 pixels, that is 29
pixels and more than a whole nucleus. Relative to the cell, the measure does not depend on the size of the field. Chosen: a
tenth is 2 pixels for a nucleus of 20, about as well as people outline it.
"""


def band_width(cell: Instance) -> int:
    """Pixels that the band of an annotated cell is wide."""
    return max(1, round(BAND * cell.diameter))


def boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a mask at most `width` from its outside, by steps to any of 8 neighbours; beyond the crop is outside.

    The paper's own program erodes the mask so many times by a square of 3 x 3 and takes what is lost.
    """
    depth = distance_transform_cdt(np.pad(mask, 1), metric="chessboard")[1:-1, 1:-1]
    return mask & (depth <= width)


def boundary_iou(truth: Instance, predicted: Instance) -> float:
    """Boundary IoU of an annotated and a predicted cell."""
    width = band_width(truth)
    a, b = (replace(cell, mask=boundary(cell.mask, width)) for cell in (truth, predicted))
    shared = intersection(a, b)
    return shared / (a.area + b.area - shared)


def boundary_ious(pairs: Pairs, truth: Sequence[Instance], predicted: Sequence[Instance]) -> np.ndarray:
    """(P,) Boundary IoU of each pair."""
    each = zip(pairs.truth, pairs.predicted, strict=True)
    return np.array([boundary_iou(truth[t], predicted[p]) for t, p in each], float)
