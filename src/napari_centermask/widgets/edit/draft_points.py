"""The points with which a draft was refined, step by step: undoing an edit undoes its point."""

from __future__ import annotations

from dataclasses import dataclass

from napari_centermask.core.instances import Box, Instance

Point = tuple[float, float]
_KEPT = 100  # steps: a choice, more than anybody takes back
_SAME_BOX = 0.3  # intersection over union from which on a box is another one of the same cell: a choice


@dataclass(frozen=True)
class Points:
    """(y, x) in pixels of the plane that belong to a cell, and that do not."""

    inside: tuple[Point, ...] = ()
    outside: tuple[Point, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.inside or self.outside)

    def and_point(self, point: Point, *, adds: bool) -> Points:
        """With one more, which overrules earlier ones at its place."""
        inside = tuple(p for p in self.inside if p != point)
        outside = tuple(p for p in self.outside if p != point)
        return Points((*inside, point), outside) if adds else Points(inside, (*outside, point))


NONE = Points()


class DraftPoints:
    """The points of each shape that refining gave to a cell.

    A shape is known by its object, which an undo brings back, and every other change of the cell replaces.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Instance, Points]] = []

    def note(self, cell: Instance | None, points: Points) -> None:
        """Remember the points that led to a cell's present shape."""
        if cell is not None:
            self._steps = [*self._steps[-_KEPT:], (cell, points)]

    def of(self, cell: Instance | None) -> Points:
        """The points of a cell as it is now."""
        return next((points for known, points in reversed(self._steps) if known is cell), NONE)

    def kept_in(self, cell: Instance | None, box: Box | tuple[float, ...]) -> Points:
        """The points that still count if a box (y0, x0, y1, x1) is drawn around the cell again; none for another cell."""
        points = self.of(cell)
        if cell is None or not points:
            return NONE
        y0, x0, y1, x1 = box
        holds = all(y0 <= y + 0.5 <= y1 and x0 <= x + 0.5 <= x1 for y, x in points.inside)
        return points if holds and _iou(cell.box, box) >= _SAME_BOX else NONE


def _iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(height, 0.0) * max(width, 0.0)
    both = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in (a, b))
    return shared / (both - shared)
