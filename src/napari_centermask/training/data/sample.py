"""Annotated images for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.instances import Box, Instance, Instances, typical_diameter
from napari_centermask.training.data.packed_cells import PackedCells, boxes_of, categories_of


@dataclass(frozen=True)
class Sample:
    """One annotated image with its cells, decoded: each in memory, or in a file of an `ImageStore`.

    Attributes
    ----------
    image
        (C, H, W) array-like of uint8, uint16 or float32.
    instances
        Its cells.
    lo, hi
        (C,) float32 from `core.normalise.intensity_range`.
    folder, name
        The data folder's name and the image's file name.
    reviewed
        Rectangles (y0, x0, y1, x1) in which the cells are complete; None for the whole image.
    doubtful
        Cells that nobody reviewed.
    names
        Channel names in the file; empty if it has none.
    source
        The image's file, when it was written, and its plane: what `ImageStore.keep` needs to know.
    packed
        The instances in a file of an `ImageStore`, where they are not in memory.
    """

    image: Array
    instances: Instances
    lo: np.ndarray
    hi: np.ndarray
    folder: str = ""
    name: str = ""
    reviewed: tuple[Box, ...] | None = None
    doubtful: Sequence[Instance] = ()
    names: tuple[str, ...] = ()
    source: str = ""
    packed: PackedCells | None = None

    @property
    def area(self) -> int:
        """Number of pixels of a channel."""
        return int(np.prod(self.image.shape[1:]))

    @cached_property
    def known_part(self) -> float:
        """The approximate fraction of the image that is usable for training: reviewed, or in a cell."""
        if self.reviewed is None:
            return 1.0
        boxes = np.concatenate([self.boxes, np.array(self.reviewed, np.int64).reshape(-1, 4)])
        area = float(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum())
        return min(1.0, area / self.area)

    @property
    def boxes(self) -> np.ndarray:
        """(N, 4) int64 (y0, x0, y1, x1), half-open."""
        return self._boxes if self.packed is None else self.packed.boxes

    @cached_property
    def _boxes(self) -> np.ndarray:
        return boxes_of(self.cells)

    @property
    def cells(self) -> Sequence[Instance]:
        """The instances in order."""
        return self._cells if self.packed is None else self.packed

    @cached_property
    def _cells(self) -> list[Instance]:
        return list(self.instances)

    @cached_property
    def diameter(self) -> float | None:
        """As in `Instances`, computed once."""
        if self.packed is None or not len(self.packed):
            return self.instances.diameter
        return typical_diameter(self.packed.boxes, self.packed.areas, self.instances.shape)


def folder_diameter(folder: list[Sample], default: float) -> float:
    """Median diameter of a folder's images, for images without cells; `default` if no image has cells."""
    known = [sample.diameter for sample in folder if sample.diameter]
    return float(np.median(known)) if known else default


def class_indices(sample: Sample, categories: list[str]) -> np.ndarray:
    """(N,) int64, index of each cell's category."""
    lookup = class_of(sample.instances.categories, categories)
    return np.array([lookup.get(id, 0) for id in categories_of(sample.cells).tolist()], dtype=np.int64)


def class_of(names: dict[int, str], categories: list[str]) -> dict[int, int]:
    """Category id -> index into the model's categories: by name, or else by the order of the ids, or else the model's last."""
    order = {id: min(n, len(categories) - 1) for n, id in enumerate(sorted(names))}
    named = {id: categories.index(name) for id, name in names.items() if name in categories}
    return order | named
