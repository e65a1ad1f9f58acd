"""At which scales annotated images are shown to a network: one for all cells, or one for each level of sizes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from napari_centermask.core.instances import Instances, at_border, boxes_of, diameters
from napari_centermask.core.size_levels import SizeLevel, size_levels
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.packed_cells import areas_of
from napari_centermask.training.data.sample import Sample

PERCENTILES = (10, 50, 90)
"""Percentiles of the cell diameters that a card keeps, per category: the median, and a choice of what is usual beside it."""


def whole_diameters(images: Iterable[Instances]) -> dict[str, array[float]]:
    """The diameters in image pixels, by category, of the cells that do not touch the border of their image."""
    sizes: dict[str, array[float]] = {}
    for cells in images:
        add_whole_diameters(cells, sizes)
    return sizes


def usual_diameters(images: Iterable[Instances]) -> dict[str, list[float]]:
    """What a card keeps of its training cells: `PERCENTILES` of the diameters in image pixels, by category."""
    return {name: np.percentile(d, PERCENTILES).round(1).tolist() for name, d in whole_diameters(images).items()}


def add_whole_diameters(cells: Instances, sizes: dict[str, array[float]]) -> None:
    """Add those of one image."""
    for cell, is_cut in zip(cells, at_border(boxes_of(list(cells)), cells.shape), strict=True):
        if not is_cut:
            name = cells.categories.get(cell.category, str(cell.category))
            sizes.setdefault(name, array("d")).append(cell.diameter)


def levels_of(folders: Iterable[Iterable[Instances]], settings: TrainSettings) -> tuple[SizeLevel, ...]:
    """The scales of a run, from the cells of its folders; () if its categories share one.

    Categories of which no cell is whole, such as cells larger than the images, belong to the largest.

    Parameters
    ----------
    folders
        Training images of the data folders, then of the replayed ones, which say how large the cells are of categories that
        the others lack.
    """
    if settings.diameters == "one" or len(settings.model.categories) < 2:
        return ()
    sizes: dict[str, float] = {}
    for images in folders:
        sizes = typical_diameters(images) | sizes
    levels = size_levels({name: size for name, size in sizes.items() if name in settings.model.categories})
    if len(levels) < 2:
        return ()
    *smaller, last = levels
    unknown = (name for name in settings.model.categories if name not in sizes)  # as in `ModelCard.levels`
    return (*smaller, SizeLevel((*last.categories, *unknown), last.diameter))


def typical_diameters(images: Iterable[Instances]) -> dict[str, float]:
    """Median diameter of each category in image pixels."""
    return medians(whole_diameters(images))


def medians(sizes: Mapping[str, array[float]]) -> dict[str, float]:
    """The median of the values of each category."""
    return {name: float(np.median(values)) for name, values in sizes.items()}


class Scales:
    """How large the cells of each level are in each image.

    Parameters
    ----------
    folders
        Samples of each data folder.
    classes
        The categories of their cells, see `sample.class_indices`.
    levels
        See `levels_of`; () for one scale for all.
    categories
        Those of the model.
    default
        Diameter where no image of a folder has cells.
    """

    def __init__(
        self,
        folders: Sequence[Sequence[Sample]],
        classes: Sequence[Sequence[np.ndarray]],
        levels: Sequence[SizeLevel],
        categories: Sequence[str],
        default: float,
    ) -> None:
        named = [[categories.index(name) for name in level.categories] for level in levels]
        self.classes: list[list[int] | None] = [*named] if named else [None]
        self._kinds = classes
        self._own = [
            [self._of_image(s, k) for s, k in zip(*rows, strict=True)] for rows in zip(folders, classes, strict=True)
        ]
        usual = [level.diameter for level in levels] or [default]
        self._typical = [
            [_median([own[n] for own in folder]) or usual[n] for n in range(len(self.classes))] for folder in self._own
        ]

    def _of_image(self, sample: Sample, kinds: np.ndarray) -> list[float | None]:
        if len(self.classes) == 1:
            return [sample.diameter]
        sizes = diameters(areas_of(sample.cells))
        return [_median(sizes[np.isin(kinds, own or [])].tolist()) for own in self.classes]

    def diameter(self, folder: int, image: int, level: int) -> float:
        """Of the cells of a level in an image, in image pixels; of the folder's others where it has none."""
        return self._own[folder][image][level] or self._typical[folder][level]

    def draw(self, folder: int, image: int, rng: np.random.Generator) -> int:
        """A level for a tile of an image, of those whose cells it has."""
        if len(self.classes) == 1:
            return 0
        there = [n for n, own in enumerate(self._own[folder][image]) if own] or list(range(len(self.classes)))
        return int(rng.choice(there))

    def is_of(self, kinds: np.ndarray, level: int) -> np.ndarray:
        """(N,) bool, whether cells of these classes are looked for at a level."""
        own = self.classes[level]
        return np.ones(len(kinds), bool) if own is None else np.isin(kinds, own)

    def is_smaller(self, kinds: np.ndarray, level: int) -> np.ndarray:
        """(N,) bool, whether cells of these classes belong to a level of smaller cells."""
        return np.isin(kinds, [k for own in self.classes[:level] for k in own or []])


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value]
    return float(np.median(known)) if known else None
