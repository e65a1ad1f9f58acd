"""How well an answer agrees with a cell, and where to click."""

import numpy as np

from napari_centermask.core.instances import intersection
from napari_centermask.settings import SegmentSettings

OPTIONS = SegmentSettings(diameter=40, percentiles=(0, 100))


def iou(a, b):
    shared = intersection(a, b)
    return shared / (a.area + b.area - shared)


def middle(cell):
    """The pixel of a cell next to its centre of mass."""
    points = np.argwhere(cell.mask)
    y, x = points[np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1))]
    return cell.y0 + int(y), cell.x0 + int(x)
