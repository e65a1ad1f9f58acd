"""What the formats that keep cells as outlines share: from outlines to a result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.labels import image_name
from napari_centermask.io.formats.reading import LARGEST_PLANE, Allowance, Reading, check_size, image_shape
from napari_centermask.io.rings import Polygon, fill

T = TypeVar("T")
Entry = tuple[T, list[Polygon]]


def result_of(
    path: Path,
    own: Any,
    images: Path | None,
    outlines: Sequence[Entry[T]],
    *,
    n_all: int,
    noun: str,
    position: Callable[[T], tuple[int, int]],
    cell_of: Callable[[T, dict[int, str]], tuple[dict[str, Any], str]],
) -> Reading:
    """Rasterise outlines.

    Parameters
    ----------
    own
        What the file says under our key, whatever that is.
    images
        Where the image may lie, for its size.
    outlines
        (entry, its polygons) of each entry that has an area.
    n_all
        Entries of the file, with those that have none.
    noun
        What the format calls an entry, for notes: "object", "ROI".
    position
        (t, z) of an entry.
    cell_of
        Arguments for the `Instance` of an entry, given the categories so far, and its category's name if that is new.

    Raises
    ------
    BadAnnotations
        If the image or its cells would be absurdly large.
    """
    name = fields.read_name(own, image_name(path))
    sizes = fields.read_sizes(own, "shape", 2)
    shape = (sizes[0], sizes[1]) if sizes else image_shape(path, images, name)
    notes: tuple[str, ...] = ()
    if shape is None:
        shape = extent([r for _, polygons in outlines for p in polygons for r in p])
        notes = (f"The file does not tell the image's size; {shape[0]} x {shape[1]} holds all cells.",)
    leading, indices = fields.planes_of(own, [position(entry) for entry, _ in outlines])
    check_size(path, shape, leading)
    result = Result(shape, leading=leading, name=name)
    result.categories = fields.read_categories(own)
    allowance, found = Allowance(path), []
    for n, ((entry, polygons), index) in enumerate(zip(outlines, indices, strict=True), start=1):
        crop = fill(polygons, result.shape, f"{noun} {n} of {path.name}")
        if crop is None or not all(i < m for i, m in zip(index, result.leading, strict=True)):
            continue
        y0, x0, mask = crop
        values, category = cell_of(entry, result.categories)
        cell = Instance.from_mask(mask, (y0, x0), **values)
        result.categories.setdefault(cell.category, category)
        allowance.take(cell.mask.size)
        found.append((index, cell))
    fields.place(result, found)
    result.categories = result.categories or {1: "cell"}
    fields.take_image_fields(result, own)
    skipped, lost = n_all - len(outlines), len(outlines) - len(found)
    notes += (f"{skipped} {noun}s without an area were passed over.",) * bool(skipped)
    notes += (f"{lost} {noun}s cover no pixel of the image and were passed over.",) * bool(lost)
    return Reading((result,), notes)


def extent(rings: Sequence[np.ndarray]) -> tuple[int, int]:
    """(H, W) that holds all rings."""
    rings = [r for r in rings if len(r)]
    x, y = np.max([r.max(axis=0) for r in rings], axis=0) if rings else (1, 1)
    height, width = (max(1, math.ceil(min(v, LARGEST_PLANE + 1))) for v in (y, x))
    return height, width
