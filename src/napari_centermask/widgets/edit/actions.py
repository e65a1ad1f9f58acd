"""What a person can do to cells, with its default keys; see `edit_keys` for the table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.core.tools.region import MODES
from napari_centermask.widgets.edit.keys import KEYS, Action
from napari_centermask.widgets.edit.mouse import cancel_drawing, draw

if TYPE_CHECKING:
    from napari_centermask.core.history import Edit
    from napari_centermask.widgets.edit.session import EditSession

_CATEGORIES = 9


def _tool(edits: EditSession, name: str, nothing: str = "", **arguments: Any) -> Edit | None:
    """Run a tool of the core; says `nothing` if it changes nothing."""
    edit = edits.run_tool(name, **arguments)
    if edit is None and nothing:
        raise UserError(nothing)
    return edit


def new_brush(edits: EditSession) -> None:
    """Paint a new cell."""
    _begin_new(edits, "paint")


def new_polygon(edits: EditSession) -> None:
    """Draw the outline of a new cell."""
    _begin_new(edits, "polygon")


def _begin_new(edits: EditSession, mode: str) -> None:
    edits.select(())
    edits.activate()
    edits.session.viewer.layers.selection.active = edits.active.layer
    edits.active.layer.selected_label = 1
    edits.active.layer.mode = mode


def split_line(edits: EditSession) -> None:
    """Split a cell along a line that the person draws."""
    _draw(
        edits,
        "line",
        partial(_split, edits, "split_line", "line", "The line divides no cell: draw it from rim to rim."),
    )


def split_seeds(edits: EditSession) -> None:
    """Split a cell into one part for each point that the person clicks."""
    text = "Expected two points or more in one cell."
    _draw(edits, "points", partial(_split, edits, "split_seeds", "points", text))


def _draw(edits: EditSession, kind: Any, on_done: Callable[[np.ndarray], object]) -> None:
    edits.activate()
    edits.flush()
    draw(edits.session.viewer, edits.active.layer, kind, on_done)


def _split(edits: EditSession, tool: str, argument: str, nothing: str, points: np.ndarray) -> None:
    """Split the active cell, or where none is, the one under most of the points."""
    from napari.utils.notifications import show_info

    id = edits.selected[0] if edits.selected else _most_under(edits, points)
    if not id or edits.run_tool(tool, id=id, **{argument: points}) is None:
        show_info(nothing)


def _most_under(edits: EditSession, points: np.ndarray) -> int:
    under = [i for y, x in _along(points) for i in edits.at(y, x)]
    return max(dict.fromkeys(under), key=under.count, default=0)


def _along(points: np.ndarray) -> np.ndarray:
    """Points of a polyline, a few more between each two."""
    parts = [np.linspace(a, b, 12) for a, b in zip(points[:-1], points[1:], strict=True)]
    return np.concatenate(parts) if parts else points


def copy_next(edits: EditSession) -> None:
    """Copy the selected cells to the next frame, and go on with the copies there.

    Raises
    ------
    UserError
        If the image has no frames, or this is the last one.
    """
    edits.flush()
    edits.copy_to_next()


def accept(edits: EditSession) -> None:
    """Accept the selected cells and go on with the next one; with none selected, begin."""
    edits.run_tool("set_status", status="accepted")
    edits.select_next()


def reject(edits: EditSession) -> None:
    """Reject the selected cells: they are kept, and not shown; go on with the next one."""
    selected = edits.selected
    edits.select_next()
    following = tuple(i for i in edits.selected if i not in selected)
    edits.run_tool("set_status", ids=selected, status="rejected")
    edits.select(following)


def set_category(edits: EditSession, category: int) -> None:
    """Give the selected cells a category; new cells get it too."""
    edits.flush()
    if category not in edits.result.categories:
        raise UserError(f"There is no category {category}: {_named(edits)}.")
    edits.category = category
    edits.run_tool("set_category", category=category)


def next_category(edits: EditSession) -> None:
    """Give the selected cells the category after that of the active one."""
    categories = sorted(edits.result.categories)
    now = edits.cell.category if edits.cell is not None else edits.category
    later = [c for c in categories if c > now]
    set_category(edits, (later or categories)[0])


def _named(edits: EditSession) -> str:
    return ", ".join(f"{c} {name}" for c, name in sorted(edits.result.categories.items()))


def next_mode(edits: EditSession) -> None:
    """Change what painting does where other cells are."""
    edits.mode = MODES[(MODES.index(edits.mode) + 1) % len(MODES)]


def isolate(edits: EditSession) -> None:
    """Hide the other cells' colours, or show them again; outlines stay."""
    edits.flush()
    cells = edits.shown.layers.cells
    cells.visible = not cells.visible


def escape(edits: EditSession) -> None:
    """One step back: from a drawing, a polygon or stroke, a brush, a selection."""
    if cancel_drawing(edits.session.viewer):
        return
    layer = edits.session.viewer.layers.selection.active
    if layer is edits.active.layer and edits.active.abort():
        return
    if layer is edits.active.layer and str(layer.mode) != "pan_zoom":
        layer.mode = "pan_zoom"
    else:
        edits.select(())


def _grow(edits: EditSession) -> None:
    _tool(edits, "grow", n=edits.amount)


def _shrink(edits: EditSession) -> None:
    _tool(edits, "shrink", n=edits.amount)


def _smooth(edits: EditSession) -> None:
    _tool(edits, "smooth", "The outline is smooth already.", n=edits.amount)


def _remove_crumbs(edits: EditSession) -> None:
    _tool(
        edits, "remove_crumbs", f"There is no part of less than {edits.crumb_area} pixels.", min_area=edits.crumb_area
    )


def _simple(name: str, nothing: str = "", **arguments: Any) -> Callable[[EditSession], object]:
    return lambda edits: _tool(edits, name, nothing, **arguments)


def _register() -> None:
    own = "It shares no pixel with another cell."
    table = [
        Action("previous", "◀ Previous", ",", lambda e: e.select_previous(), "Select and centre the cell before."),
        Action("next", "Next ▶", ".", lambda e: e.select_next(), "Select and centre the next cell."),
        Action("cycle", "Cell below", "Q", lambda e: e.clicks.cycle(), "Select the next cell under the cursor."),
        Action("accept", "Accept", "A", accept, "Accept the selected cells and go on."),
        Action("reject", "Reject", "R", reject, "Reject: kept in the file, not shown. Go on.", 1),
        Action("new_brush", "New: brush", "N", new_brush, "Paint a new cell; N again for another one."),
        Action("new_polygon", "New: polygon", "Shift-N", new_polygon, "Click corners; a double click closes it."),
        Action("delete", "Cell: delete", "D", _simple("delete"), "Delete the selected cells.", 1, ("Delete",)),
        Action("split_line", "Split: line", "K", split_line, "Drag a line through a cell."),
        Action("split_seeds", "Split: seeds", "S", split_seeds, "Click a point in each part, then Enter."),
        Action("split_auto", "Split: auto", "Shift-S", _simple("split_auto", "It has no neck."), "Split at necks.", 1),
        Action("merge", "Cell: merge", "J", _simple("merge"), "One cell of those selected; Shift-click adds.", 2),
        Action(
            "fill_holes",
            "Shape: fill holes",
            "H",
            _simple("fill_holes", "It has no holes."),
            "Fill what it encloses.",
            1,
        ),
        Action("remove_crumbs", "Shape: no crumbs", "Shift-H", _remove_crumbs, "Drop small separate parts.", 1),
        Action("smooth", "Shape: smooth", "O", _smooth, "Even the outline out over n pixels.", 1),
        Action("grow", "Shape: grow", "G", _grow, "Grow by n pixels on all sides.", 1),
        Action("shrink", "Shape: shrink", "Shift-G", _shrink, "Shrink by n pixels on all sides.", 1),
        Action(
            "raise", "Overlap: raise", "PageUp", _simple("raise_cells", "It is on top."), "On top of all others.", 1
        ),
        Action(
            "lower", "Overlap: lower", "PageDown", _simple("lower_cells", "It lies lowest."), "Under all others.", 1
        ),
        Action(
            "exclusive", "Overlap: take it", "U", _simple("make_exclusive", own), "Shared pixels become its alone.", 1
        ),
        Action(
            "give", "Overlap: give it", "Shift-U", _simple("make_exclusive", own, win=False), "Others keep them.", 1
        ),
        Action("copy_next", "Cell: to next frame", "W", copy_next, "Copy to the next frame and go there.", 1),
        Action("category", "Next category", "C", next_category, "The next category."),
        Action("mode", "Write mode", "T", next_mode, "Overlap, take over, or keep out."),
        Action("isolate", "Overlap: isolate", "I", isolate, "Others as outlines only."),
        Action("undo", "Undo", "Control-Z", lambda e: e.undo(), "Take the last edit back.", everywhere=True),
        Action("redo", "Redo", "Control-Shift-Z", lambda e: e.redo(), "Do it again.", everywhere=True),
        Action("escape", "Step back", "Escape", escape, "Cancel a drawing, put the tool away, deselect."),
    ]
    numbers = [
        Action(f"category_{n}", f"Category {n}", f"Control-{n}", partial(set_category, category=n), f"Category {n}.")
        for n in range(1, _CATEGORIES + 1)
    ]
    for action in (*table, *numbers):
        KEYS.add(action)


_register()
