"""Measurements as CSV or Parquet: a table with a row for each cell, and one with a row for each image and frame."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.core.instances import Instance
from napari_centermask.core.left_out import LeftOut
from napari_centermask.core.measure import Background, columns, measure
from napari_centermask.core.result import Index, Result
from napari_centermask.core.viability import CellProbabilities, dead_category
from napari_centermask.io.images import read_header, read_image
from napari_centermask.io.own_files import check_targets
from napari_centermask.io.tables import PARQUET, Row, Value, Write, check_table, table
from napari_centermask.io.whole_file import whole_files

CELL = ("id", "category", "category_id", "status", "score", "mask_quality", "source")
_TYPES: dict[str, type[Value]] = {
    "category_id": int,
    "id": int,
    "score": float,
    "mask_quality": float,
}  # others are text
_COLOURS = ("red", "green", "blue", "alpha")


@dataclass(frozen=True)
class Done:
    """How many of the cells have been measured."""

    done: int
    total: int


@dataclass(frozen=True)
class Measured:
    """One image to measure.

    Attributes
    ----------
    plane
        Returns the (C, H, W) array of a plane; called once for each plane with cells.
    channels
        Names of the channels.
    axes
        Names of the result's leading axes, for instance ("t", "z").
    dead
        The category that is not viable; by default it follows from the names.
    path
        The image file, which must not be overwritten.
    """

    result: Result
    plane: Callable[[Index], Any]
    channels: tuple[str, ...]
    axes: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    dead: int | None = None
    path: Path | None = None

    @property
    def name(self) -> str:
        """The image's name."""
        return self.result.name

    @classmethod
    def of_file(
        cls,
        result: Result,
        path: Path,
        *,
        channels: Sequence[str] | None = None,
        dead: int | None = None,
        axes: str | None = None,
    ) -> Measured:
        """A result with its image file, of which only the header is read now.

        Parameters
        ----------
        channels
            Names of the channels; by default those of the file, or channel0, channel1 ...
        axes
            Axes of the image, as in `images.read_image`.

        Raises
        ------
        BadImage
            If it is not an image, its planes are not those of the cells, the number of names is not that of the channels, or
            two names are the same.
        """
        header = read_header(path, axes=axes, leading=result.leading)
        n, *shape = next(iter(header.planes()))[1].shape
        if channels is not None and len(channels) != n:
            raise BadImage(
                f"{path.name} has {n} channels, but there are {len(channels)} names: {', '.join(channels)}. "
                "Name them all, in order."
            )
        if channels is not None and len(set(channels)) < n:
            raise BadImage(f"The channel names of {path.name} must differ: {', '.join(channels)}. Rename one.")
        if (header.leading, tuple(shape)) != (result.leading, result.shape):
            expected, given = (*result.leading, *result.shape), (*header.leading, *shape)
            raise BadImage(
                f"The cells need an image of {expected} pixels, but {path.name} has {given}. "
                "Choose the image that they belong to."
            )
        own = header.channel_names or (_COLOURS[:n] if "S" in header.axes else [f"channel{c}" for c in range(n)])
        letters = tuple(a.lower() for a in header.axes if a not in "CSYX")
        numbers = {index: k for k, index in enumerate(np.ndindex(*result.leading))}
        names, size = tuple(channels or own), header.pixel_size_um
        return cls(result, lambda i: _planes(path, axes, result.leading)[numbers[i]], names, letters, size, dead, path)


@lru_cache(maxsize=1)
def _planes(path: Path, axes: str | None, leading: tuple[int, ...]) -> list[np.ndarray]:
    """The planes of the image being measured; a stack is read once."""
    return [plane for _, plane in read_image(path, axes=axes, leading=leading).planes()]


def counts_path(path: Path) -> Path:
    """Path of the counts of each frame, beside the measurements and of the same kind."""
    return path.with_name(f"{path.stem}_counts{PARQUET if path.suffix.lower() == PARQUET else '.csv'}")


def write_measurements(
    path: Path,
    images: Sequence[Measured],
    *,
    background: Background = Background(),  # noqa: B008  frozen
    left_out: LeftOut[str] | None = None,
) -> Generator[Done, None, tuple[Path, Path]]:
    """Measure all cells that are shown, and write both tables; files are replaced only when everything is measured.

    Parameters
    ----------
    left_out
        Collects the images that cannot be measured, which are left out of both tables; without it, the first failure is raised.

    Returns
    -------
    tuple of Path
        The tables of the cells and of the counts.

    Raises
    ------
    BadImage
        If an image does not fit its cells, or none can be measured.
    CannotSave
        If the files cannot be written.
    MissingExtra
        For Parquet without pyarrow.
    """
    path = Path(path)
    check_table(path)
    total, done = sum(i.result.n_visible() for i in images), 0
    check_targets([path, counts_path(path)], [i.path for i in images if i.path is not None])
    try:
        with whole_files([path, counts_path(path)]) as (cells, counts):
            with table(cells, cell_columns(images, background), kind=path.suffix) as write:
                for image in images:
                    with nullcontext() if left_out is None else left_out.unless_done(image.name):
                        written: list[Row] = []
                        for row in cell_rows(image, background):
                            written.append(row)
                            done += 1
                            yield Done(done, total)
                        write(written)
            images = [i for i in images if left_out is None or i.name not in left_out.why]
            if left_out and not images:
                raise BadImage(f"None of the images can be measured. {left_out.sentences[0]}")
            with table(counts, _count_columns(images), kind=path.suffix) as write:
                _write_counts(write, images)
    finally:
        _planes.cache_clear()
    return path, counts_path(path)


def cell_columns(images: Sequence[Measured], background: Background = Background()) -> dict[str, type[Value]]:  # noqa: B008
    """The columns of the table of cells with their types: the same for all images, which may lack a channel or a category."""
    size = next((i.pixel_size_um for i in images if i.pixel_size_um), None)
    channels = tuple(dict.fromkeys(c for i in images for c in i.channels))
    kinds = _names(images) if any(c.probabilities for i in images for c in i.result) else ()
    measures = columns(channels, background, pixel_size_um=size)
    numbers = dict.fromkeys((*(f"p_{kind}" for kind in kinds), *measures), float)
    return {"image": str, **dict.fromkeys(_axes(images), int), **{c: _TYPES.get(c, str) for c in CELL}, **numbers}


def cell_rows(image: Measured, background: Background = Background()) -> Iterator[Row]:  # noqa: B008  frozen
    """The rows of an image's cells, plane by plane, by the names of `cell_columns`; for files, and for whoever shows them.

    Raises
    ------
    BadImage
        If the image does not fit its cells, or cannot be read.
    """
    result = image.result
    for index in result.planes:
        shown = result.visible(index)
        if not len(shown):
            continue
        place = {"image": image.name} | dict(zip(image.axes, index, strict=True))
        measures = measure(
            image.plane(index),
            shown,
            channels=image.channels,
            background=background,
            pixel_size_um=image.pixel_size_um,
        )
        for cell, values in measures:
            yield place | _fields(cell, result) | values


def _fields(cell: Instance, result: Result) -> dict[str, Value]:
    """The columns of a cell that need no pixels."""
    name = result.categories.get(cell.category, str(cell.category))
    probabilities = zip(sorted(result.categories), cell.probabilities, strict=False)
    values: dict[str, Value] = {"id": cell.id, "category": name, "category_id": cell.category, "status": cell.status}
    values |= {"score": float(cell.score), "mask_quality": float(cell.mask_quality), "source": cell.source}
    return values | {f"p_{result.categories[id]}": float(p) for id, p in probabilities}


def _count_columns(images: Sequence[Measured]) -> dict[str, type[Value]]:
    numbers = (*_axes(images), "cells", *(f"n_{kind}" for kind in _names(images)))
    return {"image": str, **dict.fromkeys(numbers, int), "viability_percent": float}


def _write_counts(write: Write, images: Sequence[Measured]) -> None:
    for image in images:
        result = image.result
        dead = image.dead if image.dead is not None else dead_category(result.categories)
        counts = CellProbabilities(result, dead).counts()
        rows: list[Row] = []
        for index in np.ndindex(*result.leading):
            numbers = counts.of(index)
            named = {
                f"n_{result.categories.get(c, c)}": int(n) for c, n in zip(counts.categories, numbers, strict=True)
            }
            row: dict[str, Value] = {"image": image.name, "cells": int(numbers.sum())}
            row |= dict(zip(image.axes, map(int, index), strict=True))
            rows.append(row | named | {"viability_percent": float(counts.viability(numbers))})
        write(rows)


def _axes(images: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(a for i in images for a in i.axes))


def _names(images: Sequence[Measured]) -> tuple[str, ...]:
    """Names of all categories in the order of their ids; the id stands for a missing name."""
    named = (name for i in images for _, name in sorted(_categories(i.result).items()))
    return tuple(dict.fromkeys(named))


def _categories(result: Result) -> dict[int, str]:
    return {c.category: str(c.category) for c in result} | result.categories
