"""The tools for correcting cells: pure functions of one plane's cells that return what changes.

Every tool returns pairs (before, after): None before for a new cell, whose `after` has the id 0; None after for a
deleted one. `to_changes` turns them into changes for `core.history.History.do`, the only way to edit. An empty list means
that nothing changes. `TOOLS` lists the tools of buttons, keys and the mouse. All tools keep holes and cells of
several parts, crop at the border of the image, and delete a cell of which nothing would be left.
"""

from napari_centermask.core.tools.fields import lower_cells, raise_cells, set_category, set_status
from napari_centermask.core.tools.pairs import Pair, to_changes
from napari_centermask.core.tools.region import commit, copy_to, delete, make_exclusive, merge, new_cell, redraw
from napari_centermask.core.tools.shape import fill_holes, grow, remove_debris, shrink, smooth
from napari_centermask.core.tools.split import split_auto, split_line, split_seeds
from napari_centermask.core.tools.table import TOOLS, Tool

__all__ = [
    "TOOLS",
    "Pair",
    "Tool",
    "commit",
    "copy_to",
    "delete",
    "fill_holes",
    "grow",
    "lower_cells",
    "make_exclusive",
    "merge",
    "new_cell",
    "raise_cells",
    "redraw",
    "remove_debris",
    "set_category",
    "set_status",
    "shrink",
    "smooth",
    "split_auto",
    "split_line",
    "split_seeds",
    "to_changes",
]
