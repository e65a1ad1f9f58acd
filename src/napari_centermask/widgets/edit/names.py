"""What edits are called, as a person reads it after "Undo"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_NAMES = {
    "commit": "painting of",
    "new_cell": "new",
    "delete": "deletion of",
    "split_line": "split of",
    "split_seeds": "split of",
    "split_auto": "automatic split of",
    "merge": "merge of",
    "fill_holes": "filling of holes in",
    "remove_crumbs": "removal of crumbs of",
    "smooth": "smoothing of",
    "grow": "growth of",
    "shrink": "shrinking of",
    "raise_cells": "raising of",
    "lower_cells": "lowering of",
    "make_exclusive": "exclusive pixels of",
    "copy_to": "copy of",
    "set_category": "category of",
}
_STATUSES = {"accepted": "acceptance of", "rejected": "rejection of", "predicted": "reopening of"}


def edit_name(tool: str, ids: Sequence[int], arguments: Mapping[str, Any]) -> str:
    """The name of an edit by a tool of `core.tools` on these cells: "split of cell 41", "merge of 3 cells"."""
    what = _STATUSES.get(str(arguments.get("status"))) if tool == "set_status" else _NAMES.get(tool)
    what = what or tool.replace("_", " ") + " of"
    if not ids or not ids[0]:
        return f"{what} cell"
    return f"{what} cell {ids[0]}" if len(ids) == 1 else f"{what} {len(ids):,} cells"
