"""Tools that decide which cell a pixel belongs to: paint, new, delete, merge, make exclusive, copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from napari_centermask.core.compose import stacked
from napari_centermask.core.instances import Box, Instance, Instances, intersection
from napari_centermask.core.tools.pairs import (
    Pair,
    Shows,
    chosen,
    cut,
    drawn,
    neighbours,
    not_rejected,
    pairs_of,
    reshaped,
    union,
    without,
)

Mode = Literal["overlap", "take over", "keep out"]
MODES: tuple[Mode, ...] = ("overlap", "take over", "keep out")


def commit(
    cells: Instances,
    id: int | None,
    mask: np.ndarray,
    origin: tuple[int, int] = (0, 0),
    mode: Mode = "overlap",
    *,
    shows: Shows = not_rejected,
    **fields: Any,
) -> list[Pair]:
    """Replace the shape of a cell with a painted mask.

    Parameters
    ----------
    id
        The cell; None or 0 makes a new one, see `new_cell`.
    mask
        (h, w) bool, the image plane or a window with all of the cell.
    origin
        (y, x) of the window's first pixel.
    mode
        What happens where the stroke added pixels of other cells: "overlap" keeps both, "take over" removes them from
        the others, "keep out" from the stroke. Overlaps from before the stroke are kept.
    shows
        Which cells count as others; `Result.shows` if there is a result.
    fields
        Fields of a new cell.
    """
    if mode not in MODES:
        raise ValueError(f"Expected a mode of {MODES}, got {mode!r}.")
    cropped = cut(mask, origin, cells.shape)
    if not id:
        return [] if cropped is None else _new(cells, Instance(0, *cropped[1], cropped[0].copy()), mode, shows, fields)
    before = cells[id]
    if cropped is None:
        return [(before, None)]
    painted = reshaped(before, *cropped)
    if painted is before or painted is None:
        return []
    box = union([before.box, painted.box])
    added = drawn(painted, box) & ~drawn(before, box)
    after, others = _settle(cells, painted, added, box, mode, shows)
    return others if after is None or _same_shape(before, after) else [(before, after), *others]


def new_cell(
    cells: Instances,
    mask: np.ndarray,
    origin: tuple[int, int] = (0, 0),
    *,
    mode: Mode = "overlap",
    shows: Shows = not_rejected,
    **fields: Any,
) -> list[Pair]:
    """Add a cell on top of those it overlaps, accepted, by default with the source "manual" and a score of 1.

    Parameters
    ----------
    fields
        `category`, `score`, `mask_quality`, `source`, `status` of the cell.
    """
    return commit(cells, None, mask, origin, mode, shows=shows, **fields)


def redraw(
    cells: Instances,
    id: int,
    mask: np.ndarray,
    origin: tuple[int, int] = (0, 0),
    mode: Mode = "overlap",
    *,
    shows: Shows = not_rejected,
    **fields: Any,
) -> list[Pair]:
    """Give a cell a mask from a model, with the fields of that draft; other arguments as in `commit`."""
    pairs = commit(cells, id, mask, origin, mode, shows=shows)
    return [(b, a and replace(a, **fields) if b is not None and b.id == id else a) for b, a in pairs]


def _new(cells: Instances, shape: Instance, mode: Mode, shows: Shows, fields: dict[str, Any]) -> list[Pair]:
    after, others = _settle(cells, shape, shape.mask, shape.box, mode, shows)
    if after is None:
        return []
    top = max((i.order for i in neighbours(cells, after.box, shows)), default=-1.0)
    new: dict[str, Any] = {"status": "accepted", "source": "manual", "order": top + 1} | fields
    return [(None, replace(after, **new)), *others]


def _settle(
    cells: Instances, cell: Instance, added: np.ndarray, box: Box, mode: Mode, shows: Shows
) -> tuple[Instance | None, list[Pair]]:
    """The cell and the other cells after pixels (a mask that fills `box`) were added."""
    if mode == "overlap" or not added.any():
        return cell, []
    others = [i for i in neighbours(cells, box, shows) if i.id != cell.id]
    if mode == "take over":
        return cell, pairs_of(others, {i.id: without(i, added, box) for i in others})
    free = np.ones_like(added)
    for other in others:
        free &= ~drawn(other, box)
    return reshaped(cell, drawn(cell, box) & (free | ~added), box[:2]), []


def _same_shape(a: Instance, b: Instance) -> bool:
    return a.box == b.box and np.array_equal(a.mask, b.mask)


def delete(cells: Instances, ids: Iterable[int]) -> list[Pair]:
    """Remove cells."""
    return [(cell, None) for cell in chosen(cells, ids)]


def merge(cells: Instances, ids: Iterable[int]) -> list[Pair]:
    """Merge cells into one, with the id and fields of the largest, at the level of the topmost.

    It goes on as the largest one's track; if that has none, as that of the next.
    """
    parts = sorted(chosen(cells, ids), key=lambda i: -i.area)
    if len(parts) < 2:
        return []
    box = union(i.box for i in parts)
    canvas = np.zeros((box[2] - box[0], box[3] - box[1]), bool)
    for part in parts:
        y0, x0, y1, x1 = part.box
        canvas[y0 - box[0] : y1 - box[0], x0 - box[1] : x1 - box[1]] |= part.mask
    largest, *rest = parts
    tracked = next((part for part in parts if part.track), largest)
    top = max(i.order for i in parts)
    lifted = replace(largest, order=top, status="corrected", track=tracked.track, parent=tracked.parent)
    return [(largest, reshaped(lifted, canvas, box[:2])), *((part, None) for part in rest)]


def make_exclusive(
    cells: Instances, ids: Iterable[int], win: bool = True, *, shows: Shows = not_rejected
) -> list[Pair]:
    """Resolve the overlaps of cells: they keep the shared pixels or, with `win` off, give them to the others.

    Where two of the given cells overlap, the upper one wins.
    """
    selected = list(reversed(stacked(chosen(cells, ids))))
    now: dict[int, Instance | None] = {}
    before: dict[int, Instance] = {}
    for cell in selected if win else reversed(selected):
        for other in neighbours(cells, cell.box, shows):
            if other.id == cell.id:
                continue
            a, b = now.get(cell.id, cell), now.get(other.id, other)
            if a is None or b is None or not intersection(a, b):
                continue
            keeps, loses = (a, b) if win else (b, a)
            before[loses.id] = cells[loses.id]
            now[loses.id] = without(loses, keeps.mask, keeps.box)
    return pairs_of(before.values(), now)


def copy_to(cells: Instances, instances: Iterable[Instance]) -> list[Pair]:
    """Add copies of cells, for instance from the previous frame; they count as corrected and are cropped to the image.

    A copy stays on the track of its cell, unless another cell of the plane is on it.
    """
    pairs: list[Pair] = []
    taken = {cell.track for cell in cells}
    for instance in instances:
        cropped = cut(instance.mask, (instance.y0, instance.x0), cells.shape)
        if cropped is not None:
            crop, (y0, x0) = cropped
            copy = replace(instance, id=0, y0=y0, x0=x0, mask=crop.copy(), status="corrected")
            pairs.append((None, replace(copy, track=0, parent=0) if instance.track in taken else copy))
            taken.add(instance.track)
    return pairs
