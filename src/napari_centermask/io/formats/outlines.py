"""From outlines to a result: shared by the formats that keep cells as outlines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.core.result import Result
from napari_centermask.io.fill_many import fill_all
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.labels import image_name
from napari_centermask.io.formats.reading import LARGEST_PLANE, Allowance, Reading, check_size, find_image, image_header
from napari_centermask.io.rings import Polygon

T = TypeVar("T")
Entry = tuple[T, list[Polygon]]


def result_of(
    path: Path,
    own: object,
    images: Path | None,
    outlines: Sequence[Entry[T]],
    *,
    n_all: int,
    noun: str,
    position: Callable[[T], tuple[int, int]],
    cell_of: Callable[[T, dict[int, str]], tuple[dict[str, Any], str]],
    notes: tuple[str, ...] = (),
    advance: Advance = silent,
) -> Reading:
    """Rasterise outlines.

    Parameters
    ----------
    own
        The value under our key in the file, unchecked.
    images
        Where to look for the image, whose size is needed.
    outlines
        (entry, its polygons) of each entry that has an area.
    n_all
        Number of entries in the file, those without an area included.
    noun
        What the format calls an entry, for notes, such as "object" or "ROI".
    position
        (t, z) of an entry.
    cell_of
        Arguments for the `Instance` of an entry, given the categories so far, and its category's name if that is new.
    notes
        Further notes about the file.
    advance
        Called with the number of entries drawn so far, and of all.

    Raises
    ------
    BadAnnotations
        If the image or its cells would be absurdly large, or most outlines lie outside the image.
    """
    name = fields.read_name(own, image_name(path))
    image = image_header(path, images, name)
    sizes = fields.read_sizes(own, "shape", 2)
    shape = (sizes[0], sizes[1]) if sizes else image.plane_shape if image else None
    is_known = shape is not None
    if shape is None:
        shape = extent([r for _, polygons in outlines for p in polygons for r in p])
        notes += (f"The file has no image size; {shape[0]} x {shape[1]} is used, which contains all cells.",)
    leading, indices = fields.planes_of(own, [position(entry) for entry, _ in outlines], image)
    check_size(path, shape, leading)
    result = Result(shape, leading=leading, name=name)
    result.categories = fields.read_categories(own)
    allowance, cells, n_beyond, n_outside, n_tiny = Allowance(path), [], 0, 0, 0
    names = [f"{noun} {n} of {path.name}" for n in range(1, len(outlines) + 1)]
    drawn = counting(fill_all([p for _, p in outlines], result.shape, names), len(outlines), advance)
    for (entry, polygons), index, crop in zip(outlines, indices, drawn, strict=True):
        is_beyond = bool(index) and not all(i < m for i, m in zip(index, result.leading, strict=True))
        n_beyond += is_beyond
        is_outside = crop is None and _is_outside(polygons, result.shape)
        n_outside += is_outside
        n_tiny += crop is None and not is_outside
        if crop is None or is_beyond:
            continue
        y0, x0, mask = crop
        values, category = cell_of(entry, result.categories)
        cell = Instance(y0=y0, x0=x0, mask=mask, **{"id": 0, **values})
        result.categories.setdefault(cell.category, category)
        allowance.take(cell.mask.size)
        cells.append((index, cell))
    if is_known and 2 * n_outside > len(outlines):
        raise BadAnnotations(_elsewhere(path, shape, outlines, n_outside))
    fields.place(result, cells)
    result.categories = result.categories or {1: "cell"}
    fields.take_image_fields(result, own)
    skipped = n_all - len(outlines)
    for n, which in (
        (skipped, "without an area"),
        (n_tiny, "without a pixel"),
        (n_outside, "outside the image"),
        (n_beyond, "on planes that the image does not have"),
    ):
        notes += (f"Skipped {counted(n, noun)} {which}.",) * bool(n)
    return Reading((result,), notes)


def _is_outside(polygons: Sequence[Polygon], shape: tuple[int, int]) -> bool:
    """Whether no part of an outline lies in the image."""
    rings = [ring for polygon in polygons for ring in polygon if len(ring)]
    if not rings:
        return False
    (x0, y0), (x1, y1) = np.min([r.min(axis=0) for r in rings], axis=0), np.max([r.max(axis=0) for r in rings], axis=0)
    return bool(x1 < 0 or y1 < 0 or x0 > shape[1] or y0 > shape[0])


def _elsewhere(path: Path, shape: tuple[int, int], outlines: Sequence[Entry[T]], n_outside: int) -> str:
    """The message for outlines in the coordinates of another image."""
    points = np.concatenate([r for _, polygons in outlines for p in polygons for r in p])
    (x0, y0), (x1, y1) = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    return (
        f"{n_outside} of {len(outlines)} outlines of {path.name} lie outside its image of {shape[0]} x {shape[1]} pixels: "
        f"they reach from y {y0:.0f}, x {x0:.0f} to y {y1:.0f}, x {x1:.0f}. Is the image a region of a slide? Keep the name that "
        "QuPath gives it, such as 'slide [x=1000,y=2000,w=512,h=512].tif', or export outlines and region together."
    )


def image_of(path: Path, images: Path | None, own: object) -> str:
    """File name of the image that belongs to a file of cells; if it is missing, the name that the file gives it."""
    name = fields.read_name(own, image_name(path))
    image = find_image(path, images, name)
    return image.name if image else name


def extent(rings: Sequence[np.ndarray]) -> tuple[int, int]:
    """(H, W) that holds all rings."""
    rings = [r for r in rings if len(r)]
    x, y = np.max([r.max(axis=0) for r in rings], axis=0) if rings else (1, 1)
    height, width = (max(1, math.ceil(min(v, LARGEST_PLANE + 1))) for v in (y, x))
    return height, width
