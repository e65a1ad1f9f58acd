"""Actions of keys and buttons that do more than run one tool; see `action_table`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.utils.notifications import show_info

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.core.tools.region import MODES
from napari_centermask.widgets.edit.drawing import cancel_drawing, draw, drawing_in
from napari_centermask.widgets.edit.review import select_next

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession


def run_tool(edits: EditSession, name: str, nothing: str = "", **arguments: Any) -> None:
    """Run a tool on the selected cells; shows `nothing` if it changes nothing."""
    if edits.run_tool(name, **arguments) is None and nothing:
        raise UserError(nothing)


def begin_new(edits: EditSession, mode: Literal["paint", "polygon"]) -> None:
    """Choose the brush for a new cell, or the polygon, which stays in hand for one new cell after another."""
    cancel_drawing(edits.session.viewer)
    edits.select(())
    edits.activate()
    edits.session.viewer.layers.selection.active = edits.active.layer
    edits.active.layer.selected_label = 1
    edits.active.layer.mode = mode
    edits.makes_new = mode == "polygon"


_SPLITS: dict[Literal["line", "points"], tuple[str, str]] = {
    "line": ("split_line", "The line does not divide a cell. Draw it across one, from edge to edge."),
    "points": ("split_seeds", "Click two or more points inside one cell."),
}


def draw_split(edits: EditSession, kind: Literal["line", "points"]) -> None:
    """Split a cell along a drawing: the active cell, or else the one under most of the drawing."""
    tool, nothing = _SPLITS[kind]

    def split(points: np.ndarray) -> None:
        id = edits.selected[0] if edits.selected else _most_under(edits, points)
        arguments: dict[str, Any] = {kind: points}
        if not id or edits.run_tool(tool, (id,), **arguments) is None:
            show_info(nothing)

    draw(edits, kind, split)


def _most_under(edits: EditSession, points: np.ndarray) -> int:
    under = [i for y, x in _along(points) for i in edits.at(y, x)]
    return max(dict.fromkeys(under), key=under.count, default=0)


def _along(points: np.ndarray) -> np.ndarray:
    """Points of a polyline, with more points in between."""
    parts = [np.linspace(a, b, 12) for a, b in zip(points[:-1], points[1:], strict=True)]
    return np.concatenate(parts) if parts else points


def copy_next(edits: EditSession) -> None:
    """Copy the selected cells to the next frame, go there and select the copies.

    Frames are along the first of the image's leading axes.

    Raises
    ------
    UserError
        If the image has no frames, or this is the last one.
    """
    plane = edits.current_plane
    if not plane:
        raise UserError("This image has a single plane, so there is no next frame.")
    following = (plane[0] + 1, *plane[1:])
    if following[0] >= edits.result.leading[0]:
        raise UserError("This is the last frame.")
    cells = [edits.result.get(plane, id) for id in edits.selected]
    edit = edits.run_tool("copy_to", plane=following, instances=cells)
    if edit is not None:
        edits.select(c.id for c in edit.changes)


def accept(edits: EditSession) -> None:
    """Accept the selected cells and go to the next one; with none selected, go to the first."""
    edits.run_tool("accept")
    select_next(edits)


def reject(edits: EditSession) -> None:
    """Reject the selected cells, which are kept but not shown, and go to the next one."""
    selected = edits.selected
    select_next(edits)
    following = tuple(i for i in edits.selected if i not in selected)
    edits.run_tool("reject", selected)
    edits.select(following)


def set_category(edits: EditSession, category: int) -> None:
    """Give the selected cells, and new ones, a category."""
    categories = edits.result.categories
    if category not in categories:
        named = ", ".join(f"{c} {name}" for c, name in sorted(categories.items()))
        raise UserError(f"There is no category {category}. The categories are {named}.")
    edits.category = category
    edits.run_tool("set_category", category=category)


def next_category(edits: EditSession) -> None:
    """Give the selected cells the category after that of the active one."""
    categories = sorted(edits.result.categories)
    now = edits.cell.category if edits.cell is not None else edits.category
    later = [c for c in categories if c > now]
    set_category(edits, (later or categories)[0])


def next_mode(edits: EditSession) -> None:
    """Change what painting does to the pixels of other cells."""
    edits.mode = MODES[(MODES.index(edits.mode) + 1) % len(MODES)]


def isolate(edits: EditSession) -> None:
    """Hide the other cells' colours, or show them again; outlines stay."""
    cells = edits.shown.layers.cells
    cells.visible = not cells.visible


def hide(edits: EditSession) -> None:
    """Leave the selected cells out of the view, to see what is below."""
    edits.finish()  # which may delete a cell
    ids = edits.selected
    edits.select(())
    edits.hide(ids)
    show_info(f"{counted(len(edits.hidden), 'cell')} hidden. Right-click the image to show all again.")


def show_hidden(edits: EditSession) -> None:
    """Show the hidden cells again."""
    edits.show_hidden()


def undo(edits: EditSession) -> None:
    """Undo what is being drawn, a corner or a stroke; if nothing is, undo the last edit."""
    drawing = drawing_in(edits.session.viewer)
    if not ((drawing is not None and drawing.take_back()) or edits.take_back()):
        edits.undo()


def redo(edits: EditSession) -> None:
    """Redo the edit undone last; not while something is being drawn, which would become an edit and end redo."""
    drawing = drawing_in(edits.session.viewer)
    if not ((drawing is not None and drawing.is_begun) or edits.active.is_drawing):
        edits.redo()


def escape(edits: EditSession) -> None:
    """Cancel one thing: a drawing, a polygon or stroke, the tool in hand, or the selection."""
    if cancel_drawing(edits.session.viewer) or edits.cancel():
        return
    layer = edits.session.viewer.layers.selection.active
    if layer is edits.active.layer and str(layer.mode) != "pan_zoom":
        layer.mode = "pan_zoom"
    elif edits.click_tool is not None:
        edits.drop_tool()
    else:
        edits.select(())


def remove_debris(edits: EditSession) -> None:
    """Remove separate parts that are smaller than the size in the dock."""
    area = edits.debris_area
    run_tool(edits, "remove_debris", f"There is no separate part of fewer than {area} pixels.", min_area=area)


def change_shape(edits: EditSession, name: Literal["smooth", "grow", "shrink"], nothing: str = "") -> None:
    """Smooth, grow or shrink by the number of pixels in the dock."""
    run_tool(edits, name, nothing, n=edits.amount)
