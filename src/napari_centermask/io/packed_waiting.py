"""Cells that are not decided yet, with what is known of them, as JSON values; see `core.settling`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.core.settling import Waiting
from napari_centermask.io.packed_cells import pack, unpack, unpack_tracks


def pack_cells(cells: Sequence[Instance]) -> list[dict[str, Any]]:
    """Cells, in their order."""
    return pack([Change((), cell.id, None, cell) for cell in cells]) if cells else []


def unpack_cells(texts: Sequence[dict[str, Any]]) -> list[Instance]:
    """What `pack_cells` wrote.

    Raises
    ------
    LookupError, TypeError, ValueError
        If it is damaged.
    """
    cells = []
    for text in texts:
        rows, probabilities, masks = unpack(text)
        names = [str(name) for name in text["texts"]]
        for row, odds, mask, (track, parent) in zip(rows, probabilities, masks, unpack_tracks(text), strict=True):
            if mask is None:
                raise ValueError("a cell has no mask")
            place = int(row["id"]), int(row["y0"]), int(row["x0"]), mask, int(row["category"])
            cells.append(
                Instance(
                    *place,
                    score=float(row["score"]),
                    mask_quality=float(row["quality"]),
                    status=names[row["status"]],
                    source=names[row["source"]],
                    order=float(row["order"]),
                    probabilities=odds,
                    track=track,
                    parent=parent,
                )
            )
    return cells


def pack_waiting(waiting: Sequence[Waiting]) -> dict[str, Any]:
    """Cells with their keys and what their tiles saw."""
    return {
        "cells": pack_cells([w.cell for w in waiting]),
        "keys": [w.key for w in waiting],
        "seen": [w.seen for w in waiting],
        "cut": [w.cut for w in waiting],
        "passed_on": [w.is_passed_on for w in waiting],
    }


def unpack_waiting(values: dict[str, Any]) -> list[Waiting]:
    """What `pack_waiting` wrote; raises as `unpack_cells`."""
    each = zip(
        unpack_cells(values["cells"]), values["keys"], values["seen"], values["cut"], values["passed_on"], strict=True
    )
    return [
        Waiting((int(key[0]), int(key[1])), cell, _box(seen), bool(cut), bool(passed))
        for cell, key, seen, cut, passed in each
    ]


def _box(values: Sequence[int] | None) -> tuple[int, int, int, int] | None:
    if values is None:
        return None
    y0, x0, y1, x1 = map(int, values)
    return y0, x0, y1, x1
