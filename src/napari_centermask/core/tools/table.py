"""The table of tools: function, name of the edit, requirements, and selection afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from napari_centermask.core.counted import counted
from napari_centermask.core.history import Change
from napari_centermask.core.result import Index, Result
from napari_centermask.core.tools.fields import lower_cells, raise_cells, set_category, set_status
from napari_centermask.core.tools.pairs import Pair, to_changes
from napari_centermask.core.tools.region import commit, copy_to, delete, make_exclusive, merge, new_cell, redraw
from napari_centermask.core.tools.shape import fill_holes, grow, remove_debris, shrink, smooth
from napari_centermask.core.tools.split import split_auto, split_line, split_seeds

Target = Literal["cell", "cells", "plane"]
Selects = Literal["same", "parts", "new"]


@dataclass(frozen=True)
class Tool:
    """An operation on the cells of one plane.

    Attributes
    ----------
    name
        As in code: "split_line".
    title
        As shown on a button or in a message: "Split along a line".
    function
        Takes the plane's cells, then one id, several ids or nothing (see `acts_on`), and the arguments by name.
    edit
        Name of an edit, up to the word "cell": "split of".
    acts_on
        "cell": one cell, the first id; "cells": all of them; "plane": none, for instance to add a cell.
    arguments
        Names of its arguments.
    sees_others
        It also changes or avoids other cells, and must know which are shown.
    selects
        What is selected afterwards: "same" as before, the cell and its "parts", or the "new" cells.
    needs
        The smallest number of selected cells.
    """

    name: str
    title: str
    function: Callable[..., list[Pair]]
    edit: str
    acts_on: Target = "cells"
    arguments: tuple[str, ...] = ()
    sees_others: bool = False
    selects: Selects = "same"
    needs: int = 1

    def targets(self, ids: Sequence[int]) -> tuple[int, ...]:
        """The selected cells that it acts on."""
        return {"plane": (), "cell": tuple(ids[:1]), "cells": tuple(ids)}[self.acts_on]

    def changes(self, result: Result, plane: Index, ids: Sequence[int] = (), **arguments: object) -> list[Change]:
        """What the tool would change; empty if nothing, or if one of the cells is missing.

        Raises
        ------
        TypeError
            If the tool does not take an argument.
        """
        unknown = sorted(set(arguments) - set(self.arguments))
        if unknown:
            raise TypeError(f"The tool '{self.name}' takes {self.arguments or 'no arguments'}, got {unknown}.")
        cells = result.plane(plane)
        given: tuple[object, ...] = ()
        if self.acts_on != "plane":
            if not ids or any(id not in cells for id in ids):
                return []
            given = (ids[0],) if self.acts_on == "cell" else (ids,)
        if self.sees_others:
            arguments["shows"] = result.shows
        return to_changes(self.function(cells, *given, **arguments), plane, result)

    def edit_name(self, ids: Sequence[int]) -> str:
        """The name of an edit of these cells: "split of cell 41", "merge of 3 cells"."""
        if len(ids) > 1:
            return f"{self.edit} {counted(len(ids), 'cell')}"
        return f"{self.edit} cell {ids[0]}" if ids else f"{self.edit} cell"


_SHAPE = ("mask", "origin", "mode")
_DRAFT = ("score", "mask_quality", "source", "status")
_FIELDS = ("category", "score", "mask_quality", "source", "status", "probabilities")

_ALL = (
    Tool("paint", "Paint", commit, "painting of", "cell", _SHAPE, sees_others=True),
    Tool("redraw", "Redraw", redraw, "redrawing of", "cell", (*_SHAPE, *_DRAFT), sees_others=True),
    Tool(
        "new_cell", "New cell", new_cell, "new", "plane", (*_SHAPE, *_FIELDS), sees_others=True, selects="new", needs=0
    ),
    Tool("delete", "Delete", delete, "deletion of"),
    Tool("merge", "Merge", merge, "merge of", needs=2),
    Tool("copy_to", "Copy to next frame", copy_to, "copy of", "plane", ("instances",), selects="new"),
    Tool("split_line", "Split along a line", split_line, "split of", "cell", ("line",), selects="parts"),
    Tool("split_seeds", "Split at points", split_seeds, "split of", "cell", ("points",), selects="parts"),
    Tool("split_auto", "Split automatically", split_auto, "automatic split of", "cell", selects="parts"),
    Tool("fill_holes", "Fill holes", fill_holes, "filling of holes in"),
    Tool("remove_debris", "Remove debris", remove_debris, "removal of debris from", arguments=("min_area",)),
    Tool("smooth", "Smooth", smooth, "smoothing of", arguments=("n",)),
    Tool("grow", "Grow", grow, "growth of", arguments=("n",)),
    Tool("shrink", "Shrink", shrink, "shrinking of", arguments=("n",)),
    Tool("raise", "Raise", raise_cells, "raising of"),
    Tool("lower", "Lower", lower_cells, "lowering of"),
    Tool(
        "take_shared",
        "Transfer the overlap to this cell",
        make_exclusive,
        "transfer of the overlap to",
        sees_others=True,
    ),
    Tool(
        "give_shared",
        "Transfer the overlap to the others",
        partial(make_exclusive, win=False),
        "transfer of the overlap from",
        sees_others=True,
    ),
    Tool("set_category", "Category", set_category, "change of category of", arguments=("category",)),
    Tool("accept", "Accept", partial(set_status, status="accepted"), "acceptance of"),
    Tool("reject", "Reject", partial(set_status, status="rejected"), "rejection of"),
)
TOOLS = {tool.name: tool for tool in _ALL}
"""All tools by name."""
