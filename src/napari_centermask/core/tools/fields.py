"""Tools that do not change pixels: category, status and stacking order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from napari_centermask.core.compose import stacked
from napari_centermask.core.instances import Instances
from napari_centermask.core.tools.pairs import Pair, chosen

STATUSES = ("predicted", "accepted", "corrected", "rejected")


def set_category(cells: Instances, ids: Iterable[int], category: int) -> list[Pair]:
    """Set the category of cells; those that change become corrected."""
    return [
        (c, replace(c, category=category, status="corrected")) for c in chosen(cells, ids) if c.category != category
    ]


def set_status(cells: Instances, ids: Iterable[int], status: str) -> list[Pair]:
    """Accept or reject cells, or undo that.

    Raises
    ------
    ValueError
        If the status does not exist.
    """
    if status not in STATUSES:
        raise ValueError(f"Expected a status of {STATUSES}, got {status!r}.")
    return [(c, replace(c, status=status)) for c in chosen(cells, ids) if c.status != status]


def raise_cells(cells: Instances, ids: Iterable[int]) -> list[Pair]:
    """Raise cells above all others, keeping their order among themselves."""
    moved = stacked(chosen(cells, ids))
    own = {c.id for c in moved}
    top = max((i.order for i in cells if i.id not in own), default=None)
    if top is None or (moved and moved[0].order > top):
        return []
    return [(c, replace(c, order=top + k)) for k, c in enumerate(moved, start=1)]


def lower_cells(cells: Instances, ids: Iterable[int]) -> list[Pair]:
    """Lower cells below all others, keeping their order among themselves."""
    moved = stacked(chosen(cells, ids))
    own = {c.id for c in moved}
    bottom = min((i.order for i in cells if i.id not in own), default=None)
    if bottom is None or (moved and moved[-1].order < bottom):
        return []
    return [(c, replace(c, order=bottom - k)) for k, c in enumerate(reversed(moved), start=1)]
