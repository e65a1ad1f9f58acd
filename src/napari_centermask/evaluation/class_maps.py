"""Metrics of class maps, in which each pixel has one category: pixel accuracy, mean IoU and Dice.

Source: J. Long, E. Shelhamer and T. Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, section 5
("Metrics"): the pixels of all images are counted together, and background is a class like the others. Dice: L. R. Dice,
Ecology 26, 1945, here 2 n_ii / (t_i + p_i) of each class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_centermask.core.instances import Instance

BACKGROUND = "background"
_ROWS = 512
"""Rows of an image whose pixels are counted at a time, which bounds the memory for very large ones."""


@dataclass(frozen=True)
class ClassMap:
    """A class map and what its classes mean.

    Attributes
    ----------
    classes
        (H, W) unsigned integers, 0 is background.
    names
        Of the classes from 1 on.
    """

    classes: np.ndarray
    names: Sequence[str]

    def numbered_as(self, names: Sequence[str]) -> np.ndarray:
        """(H, W) uint16, the map with the classes numbered as in another list that holds all names."""
        return np.array([0, *(1 + names.index(name) for name in self.names)], np.uint16)[self.classes]


def class_map(cells: Sequence[Instance], columns: Sequence[int], shape: tuple[int, int]) -> np.ndarray:
    """Draw cells as a class map.

    Where cells of two categories overlap, a pixel belongs to the cell in which it lies deeper, relative to the cell's own
    depth: the rule by which the targets of a U-Net are drawn. Where it is equally deep in both, the lower class wins, so that
    the order of the cells does not matter.

    Parameters
    ----------
    columns
        (N,) from 1, class of each cell.

    Returns
    -------
    numpy.ndarray
        (H, W) uint16, 0 is background.
    """
    classes = np.zeros(shape, np.uint16)
    if len(set(columns)) < 2:
        for cell, column in zip(cells, columns, strict=True):
            _window(classes, cell)[cell.mask] = column
        return classes
    deepest = np.zeros(shape, np.float32)
    for cell, column in sorted(zip(cells, columns, strict=True), key=lambda both: both[1]):
        depth = _relative_depth(cell.mask)
        first = depth > _window(deepest, cell)
        _window(classes, cell)[first] = column
        _window(deepest, cell)[first] = depth[first]
    return classes


def _window(image: np.ndarray, cell: Instance) -> np.ndarray:
    y0, x0, y1, x1 = cell.box
    return image[y0:y1, x0:x1]


def _relative_depth(mask: np.ndarray) -> np.ndarray:
    """(h, w) float32 in [0, 1], distance to the outside of the cell over its maximum."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return (depth / depth.max()).astype(np.float32)


class PixelCounts:
    """Number of pixels by true and predicted class, of one image or of several together."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(
        self, truth: np.ndarray, predicted: np.ndarray, names: Sequence[str], unknown: Sequence[Instance] = ()
    ) -> None:
        """Count the pixels of an image.

        Parameters
        ----------
        truth, predicted
            (H, W) class maps.
        names
            Of the classes from 1 on.
        unknown
            Regions in which pixels that lie in no annotated cell are left out.
        """
        every = (BACKGROUND, *names)
        n = len(every)
        known = np.ones(truth.shape, bool)
        for region in unknown:
            _window(known, region)[region.mask] = False
        known |= truth > 0
        table = np.zeros(n * n, np.int64)
        for y in range(0, len(truth), _ROWS):
            rows = slice(y, y + _ROWS)
            both = truth[rows].astype(np.int64) * n + predicted[rows]
            table += np.bincount(both[known[rows]], minlength=n * n)
        for at in np.flatnonzero(table):
            self.counts[every[at // n], every[at % n]] += int(table[at])

    def update(self, other: PixelCounts) -> None:
        """Add the pixels of another image."""
        self.counts.update(other.counts)

    def to_json(self) -> dict[str, Any]:
        """Pixel accuracy, and IoU and Dice of each class that occurs, with their means; None without a pixel.

        "foreground" is all classes but the background as one: whether the pixels of cells are found, whatever their category.
        """
        true: Counter[str] = Counter()
        said: Counter[str] = Counter()
        for (t, p), n in self.counts.items():
            true[t] += n
            said[p] += n
        per_class = {}
        for name in sorted(true | said, key=lambda name: (name != BACKGROUND, name)):
            per_class[name] = _agreement(self.counts[name, name], true[name] + said[name])
        right, total = sum(self.counts[name, name] for name in per_class), sum(true.values())
        return {
            "pixel_accuracy": right / total if total else None,
            "miou": _mean([row["iou"] for row in per_class.values()]),
            "dice": _mean([row["dice"] for row in per_class.values()]),
            "per_class": per_class,
            "foreground": _agreement(
                sum(n for (t, p), n in self.counts.items() if BACKGROUND not in (t, p)),
                sum(n for name, n in (*true.items(), *said.items()) if name != BACKGROUND),
            ),
        }


def _agreement(right: int, sizes: int) -> dict[str, float | None]:
    """IoU and Dice from the pixels in both and the sum of both areas; None where both are empty."""
    return {"iou": right / (sizes - right) if sizes else None, "dice": 2 * right / sizes if sizes else None}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
