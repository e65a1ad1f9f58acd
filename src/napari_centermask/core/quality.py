"""Checks of cells before export: errors that a program can find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.columns import PREDICTED, Columns
from napari_centermask.core.counted import counted
from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.neighbours import overlapping_pairs, shared_area
from napari_centermask.core.result import Index

# Measured on 40,000 annotated cells: docs/benchmarks.md, "What annotated cells are like".
TINY_PART = 1 / 20  # of the image's median area: at most 1 % of annotated cells are smaller
TINY_LEAST = 4  # pixels; chosen
DUPLICATE_IOU = 0.7  # two annotated cells share at most 0.39
KINDS = {
    "empty": "Empty",
    "outside": "Outside the image",
    "tiny": "Tiny",
    "duplicate": "Duplicate",
    "touching": "Outline touches itself",
    "unreviewed": "Not reviewed",
}


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    kind
        A key of `KINDS`.
    plane
        The plane.
    ids
        The cells concerned; none for an empty plane.
    at
        (y, x) position in pixels.
    text
        What was found, in words.
    """

    kind: str
    plane: Index
    ids: tuple[int, ...]
    at: tuple[float, float]
    text: str


def check(columns: Columns, *, tiny_area: int | None = None, duplicate_iou: float = DUPLICATE_IOU) -> list[Finding]:
    """Check all cells that are shown.

    Parameters
    ----------
    tiny_area
        Cells with fewer pixels are tiny; by default a twentieth of the median area, but at least 4.
    duplicate_iou
        Two cells of a plane with at least this mask IoU are one cell drawn twice.

    Returns
    -------
    list of Finding
        Grouped by kind in the order of `KINDS`, then by plane and cell.
    """
    rows = np.flatnonzero(columns.shown())
    if tiny_area is None:
        tiny_area = usual_tiny_area(columns)
    tests: dict[str, Callable[[Instance], str]] = {
        "empty": lambda cell: "" if cell.mask.any() else "no pixels",
        "outside": lambda cell: _outside(cell, columns.result.shape),
        "tiny": lambda cell: (
            f"{counted(cell.area, 'pixel')}, fewer than {tiny_area}" if 0 < cell.area < tiny_area else ""
        ),
        "touching": lambda cell: _touching(cell.mask),
    }
    findings = list(_empty_planes(columns)) + list(_duplicates(columns, rows, duplicate_iou))
    for row in rows.tolist():
        cell, plane = columns.cell(row), columns.plane(row)
        for kind, test in tests.items():
            said = test(cell)
            if said:
                findings.append(Finding(kind, plane, (cell.id,), _place(cell, kind), f"Cell {cell.id}: {said}"))
        if columns.data["status"][row] == PREDICTED and not columns.result.in_reviewed(plane, cell):
            text = f"Cell {cell.id}: score {cell.score:.2f}, not reviewed"
            findings.append(Finding("unreviewed", plane, (cell.id,), _place(cell, "unreviewed"), text))
    kinds = list(KINDS)
    return sorted(findings, key=lambda f: (kinds.index(f.kind), f.plane, f.ids))


def usual_tiny_area(columns: Columns) -> int:
    """Number of pixels below which a cell of this image is suspiciously small."""
    areas = columns.data["area"][columns.shown()]
    return max(TINY_LEAST, round(float(np.median(areas)) * TINY_PART)) if len(areas) else TINY_LEAST


def touches_itself(mask: np.ndarray) -> np.ndarray:
    """Corners where a mask's outline touches itself: two diagonal pixels out of four.

    Parameters
    ----------
    mask
        (h, w) bool.

    Returns
    -------
    numpy.ndarray
        (n, 2) int64 y, x of the lower right of the four pixels. A polygon along the pixel edges crosses itself
        there or falls into parts.
    """
    a, b, c, d = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
    return np.argwhere((a & d & ~b & ~c) | (b & c & ~a & ~d)) + 1


def _touching(mask: np.ndarray) -> str:
    n = len(touches_itself(mask))
    return "" if n == 0 else f"its outline touches itself at {counted(n, 'corner')}"


def _outside(cell: Instance, shape: tuple[int, int]) -> str:
    y0, x0, y1, x1 = cell.box
    inside = y0 >= 0 and x0 >= 0 and y1 <= shape[0] and x1 <= shape[1]
    return "" if inside else f"its box ({y0}, {x0}) to ({y1}, {x1}) extends beyond the image of {shape[0]} x {shape[1]}"


def _place(cell: Instance, kind: str) -> tuple[float, float]:
    if kind == "touching":
        y, x = touches_itself(cell.mask)[0]
        return cell.y0 + y - 0.5, cell.x0 + x - 0.5
    y0, x0, y1, x1 = cell.box
    return (y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2


def _empty_planes(columns: Columns) -> Iterator[Finding]:
    """Planes without visible cells, unless they were marked as reviewed."""
    result = columns.result
    for plane in dict.fromkeys([*result.planes, *([()] if not result.leading else [])]):
        if result.n_visible(plane) == 0 and not result.reviewed(plane):
            at = (result.shape[0] - 1) / 2, (result.shape[1] - 1) / 2
            name = f"Plane {', '.join(map(str, plane))}" if plane else "The image"
            yield Finding("empty", plane, (), at, f"{name} has no cells; mark it as reviewed if that is correct")


def _duplicates(columns: Columns, rows: np.ndarray, least: float) -> Iterator[Finding]:
    for number in np.unique(columns.data["plane"][rows]):
        here = rows[columns.data["plane"][rows] == number]
        boxes = columns.data["box"][here].astype(float)
        i, j = overlapping_pairs(boxes)
        areas = columns.data["area"][here]
        shared = np.minimum(shared_area(boxes[i], boxes[j]), np.minimum(areas[i], areas[j]))
        possible = shared >= least * np.maximum(areas[i], areas[j])
        for a, b in zip(i[possible].tolist(), j[possible].tolist(), strict=True):
            one, two = sorted((columns.cell(int(here[a])), columns.cell(int(here[b]))), key=lambda c: c.id)
            pixels = intersection(one, two)
            iou = pixels / (one.area + two.area - pixels)
            if iou >= least:
                text = f"Cells {one.id} and {two.id}: IoU {iou:.2f}"
                yield Finding(
                    "duplicate", columns.plane(int(here[a])), (one.id, two.id), _place(one, "duplicate"), text
                )
