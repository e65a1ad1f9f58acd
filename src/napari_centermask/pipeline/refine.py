"""Refine a cell step by step with points: what is missing, and what is too much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from napari_centermask.core.columns import covered_part
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.tools.pairs import around, drawn, reshaped, union
from napari_centermask.core.tools.split import flood

Point = tuple[float, float]
"""(y, x) in pixels of the plane; centres are whole numbers."""
AskBox = Callable[[float, float, float, float], Instance | None]
AskClick = Callable[[float, float], Instance | None]

# Choices, not measured.
_REACH = 0.15  # of the cell's diameter: what a point adds or removes at least, and how far beyond it a box reaches
_SAME = 0.5  # fraction of the cell from which on what lies under a point is the cell itself
_KEPT = 0.8  # fraction of the cell that an answer for a larger box must keep


class Refiner:
    """Changes the shape of a cell so that it has the points `inside`, and not those `outside`.

    The model is asked first: what fills a box that reaches to the missing point, or the cell under a point. What it says must
    agree with all points; otherwise the shape decides: the cell is divided between the points, as by *Split at points*.

    Parameters
    ----------
    shape
        (H, W) of the plane.
    box, click
        Ask the model, as `Prompter.box` and `Prompter.click`.
    """

    def __init__(self, shape: tuple[int, int], *, box: AskBox, click: AskClick) -> None:
        self._shape, self._box, self._click = shape, box, click

    def refined(self, cell: Instance, inside: Sequence[Point], outside: Sequence[Point]) -> Instance | None:
        """The cell with its new shape, and the least quality of all answers that it is made of; None if nothing is left."""
        now: Instance | None = cell
        for point in inside:
            if now is not None and not _has(now, point):
                now = self._with(now, point, outside)
        for point in outside:
            if now is not None and _has(now, point):
                now = self._without(now, point, inside)
        return now

    def _with(self, cell: Instance, point: Point, outside: Sequence[Point]) -> Instance | None:
        """The cell and what is missing at a point."""
        reach, (y, x) = _reach(cell), point
        y0, x0, y1, x1 = union([cell.box, _around(point, reach)])
        whole = self._box(y0, x0, y1, x1)
        agrees = whole is not None and _has(whole, point) and not _has_any(whole, outside)
        if whole is not None and agrees and covered_part(cell, [whole]) >= _KEPT:
            return self._joined(cell, whole)
        part = self._click(y, x)
        if part is not None and _has(part, point) and not _has_any(part, outside):
            return self._joined(cell, part)
        return self._joined(cell, _bridge(cell, point, reach))

    def _joined(self, cell: Instance, more: Instance) -> Instance | None:
        box = around(union([cell.box, more.box]), 0, self._shape)
        quality = min(cell.mask_quality, more.mask_quality)
        return reshaped(replace(cell, mask_quality=quality), drawn(cell, box) | drawn(more, box), box[:2])

    def _without(self, cell: Instance, point: Point, inside: Sequence[Point]) -> Instance | None:
        """The cell without what is too much at a point, in one piece for each point inside."""
        other = self._click(*point)
        is_other = other is not None and covered_part(cell, [other]) < _SAME and not _has_any(other, inside)
        own = drawn(cell, cell.box)
        rest = own & ~drawn(other, cell.box) if is_other and other is not None else own
        if rest[_pixel(cell, point)]:
            rest = _divided(own, _pixel(cell, point), [_pixel(cell, p) for p in inside if _has(cell, p)])
        disc = drawn(_disc(point, _reach(cell)), cell.box)
        disc[tuple(np.array([_pixel(cell, p) for p in inside if _has(cell, p)], int).reshape(-1, 2).T)] = False
        rest &= ~disc
        return reshaped(cell, _main_parts(rest, [_pixel(cell, p) for p in inside if _has(cell, p)]), cell.box[:2])


def _reach(cell: Instance) -> float:
    return max(1.0, _REACH * float(np.sqrt(4 * cell.area / np.pi)))


def _around(point: Point, reach: float) -> Box:
    y, x = point
    return int(np.floor(y - reach)), int(np.floor(x - reach)), int(np.ceil(y + reach)) + 1, int(np.ceil(x + reach)) + 1


def _pixel(cell: Instance, point: Point) -> tuple[int, int]:
    return round(point[0]) - cell.y0, round(point[1]) - cell.x0


def _has(cell: Instance, point: Point) -> bool:
    row, column = _pixel(cell, point)
    height, width = cell.mask.shape
    return 0 <= row < height and 0 <= column < width and bool(cell.mask[row, column])


def _has_any(cell: Instance, points: Sequence[Point]) -> bool:
    return any(_has(cell, point) for point in points)


def _disc(point: Point, radius: float) -> Instance:
    y0, x0, y1, x1 = _around(point, radius)
    rows, columns = np.mgrid[y0:y1, x0:x1]
    return Instance(0, y0, x0, np.hypot(rows - point[0], columns - point[1]) <= radius, mask_quality=1.0)


def _bridge(cell: Instance, point: Point, radius: float) -> Instance:
    """What is near the shortest way from a cell to a point."""
    own = np.argwhere(cell.mask) + cell.box[:2]
    start = own[np.argmin(((own - point) ** 2).sum(axis=1))]
    y0, x0, y1, x1 = union([_around(point, radius), _around((float(start[0]), float(start[1])), radius)])
    rows, columns = np.mgrid[y0:y1, x0:x1]
    way = np.array(point) - start
    along = ((rows - start[0]) * way[0] + (columns - start[1]) * way[1]) / max(float(way @ way), 1e-9)
    along = np.clip(along, 0, 1)
    near = np.hypot(rows - start[0] - along * way[0], columns - start[1] - along * way[1]) <= radius
    return Instance(0, y0, x0, near, mask_quality=1.0)


def _divided(mask: np.ndarray, away: tuple[int, int], kept: list[tuple[int, int]]) -> np.ndarray:
    """The mask without the part of a pixel, divided between it and the pixels to keep; by default the deepest one."""
    from scipy.ndimage import distance_transform_edt

    if not kept:
        depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        rows, columns = np.indices(mask.shape)
        far = np.minimum(depth, np.hypot(rows - away[0], columns - away[1]))
        row, column = np.unravel_index(int(far.argmax()), mask.shape)
        kept = [(int(row), int(column))]
    parts = flood(mask, np.array([*kept, away]))
    return mask.copy() if parts is None else mask & (parts != parts[away])


def _main_parts(mask: np.ndarray, kept: list[tuple[int, int]]) -> np.ndarray:
    """The connected parts with a pixel to keep; without any, the largest."""
    from scipy.ndimage import label

    parts, n = label(mask, np.ones((3, 3)))
    if n < 2:
        return mask
    wanted = {int(parts[pixel]) for pixel in kept} - {0}
    return np.isin(parts, list(wanted or {1 + int(np.bincount(parts[mask])[1:].argmax())}))
