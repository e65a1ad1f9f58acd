"""All actions with their keys and buttons; importing this fills the table `keys.KEYS`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from napari_centermask.core.tools import TOOLS
from napari_centermask.widgets.edit.actions import (
    accept,
    begin_new,
    change_shape,
    copy_next,
    draw_split,
    escape,
    hide,
    isolate,
    next_category,
    next_mode,
    redo,
    reject,
    remove_debris,
    run_tool,
    set_category,
    show_hidden,
    undo,
)
from napari_centermask.widgets.edit.candidates import candidates_of
from napari_centermask.widgets.edit.clicks import click_under_cursor
from napari_centermask.widgets.edit.keys import KEYS, Action
from napari_centermask.widgets.edit.keys_window import toggle_keys
from napari_centermask.widgets.edit.prompt import prompts_of, redraw_selected
from napari_centermask.widgets.edit.review import select_next

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession

_CATEGORIES = 9
_REFINE = "Then, Shift-click what is missing, right-click what is too much, or draw again."
WAY, NEW, SPLIT, SHAPE = "Go through the cells", "New cells", "Delete, merge, split", "Shape"
OVERLAP, CANDIDATES, VIEW = "Overlaps", "Low-confidence candidates", "View and frames"
CATEGORY, UNDO = "Category", "Undo and help"
Run = Callable[["EditSession"], object]


def _action(group: str, name: str, key: str, title: str, tip: str, run: Run, **fields: Any) -> None:
    KEYS.add(Action(name, title, key, run, tip, group=group, **fields))


def _button(group: str, label: str, name: str, key: str, title: str, tip: str, run: Run, **fields: Any) -> None:
    _action(group, name, key, title, tip, run, label=label, **fields)


def _tool(
    group: str, label: str, name: str, key: str, tip: str, run: Run | None = None, *, nothing: str = "", **fields: Any
) -> None:
    """A tool of the table in the core: its title, and how many cells it needs; shows `nothing` if it changes nothing."""
    tool = TOOLS[name]
    run = run or partial(run_tool, name=name, nothing=nothing)
    _button(group, label, name, key, tool.title, tip, run, needs=tool.needs, **fields)


def _candidates(label: str, name: str, key: str, title: str, tip: str, method: str, *, changes: bool = True) -> None:
    def run(edits: EditSession) -> None:
        getattr(candidates_of(edits), method)()

    _button(CANDIDATES, label, name, key, title, tip, run, changes=changes)


def _way_through() -> None:
    look = {"changes": False}
    before = partial(select_next, step=-1)
    _action(WAY, "previous", ",", "Previous cell", "Select and centre the previous cell.", before, **look)
    _action(WAY, "next", ".", "Next cell", "Select and centre the next cell.", select_next, **look)
    tip = "Select the next cell under the cursor."
    _action(WAY, "cycle", "Q", "Cell below", tip, click_under_cursor, **look)
    _action(WAY, "accept", "A", "Accept", "Accept the selected cells and go to the next one.", accept)
    tip = "Reject the selected cells, which stay in the file but hidden, and go to the next one."
    _action(WAY, "reject", "R", "Reject", tip, reject, needs=1)


def _new_cells() -> None:
    paint, polygon = partial(begin_new, mode="paint"), partial(begin_new, mode="polygon")
    tip = "Paint a new cell. Press the key again to start another one."
    _button(NEW, "Brush", "new_brush", "N", "New cell with the brush", tip, paint)
    tip = (
        "Click the corners; double-click to close the outline. The polygon stays in hand for the next cell, until Esc."
    )
    _button(NEW, "Polygon", "new_polygon", "Shift-N", "New cells with the polygon", tip, polygon)
    tip = "Drag a box around a cell; the model segments it. " + _REFINE
    _button(
        NEW,
        "Model box",
        "prompt_box",
        "9",
        "New cell by the model, in a box",
        tip,
        partial(_prompt, kind="box"),
    )
    tip = "Click a cell; the model segments it. " + _REFINE
    title = "New cell by the model, at a click"
    _button(NEW, "Model click", "prompt_click", "8", title, tip, partial(_prompt, kind="click"))
    tip = "Drag a box; the model segments the selected cell again inside it. Several cells are redrawn where they are."
    _button(NEW, "Redraw", "prompt_redraw", "Shift-R", "Redraw with the model", tip, redraw_selected, needs=1)


def _prompt(edits: EditSession, *, kind: Literal["box", "click"]) -> None:
    prompts_of(edits).draw(kind)


def _all_candidates() -> None:
    tip = "Outline what the model found below the score threshold, where there is no cell."
    title = "Show low-confidence candidates"
    _candidates("Show", "candidates", "0", title, tip, "toggle", changes=False)
    tip = "Centre the next candidate."
    _candidates("Next", "next_candidate", "'", "Next candidate", tip, "next", changes=False)
    tip = "Keep the candidate as a cell and go to the next one."
    _candidates("Accept", "accept_candidate", "Y", "Accept candidate", tip, "accept")
    tip = "Mark the candidate as no cell and go to the next one."
    _candidates("Reject", "reject_candidate", "Shift-Y", "Reject candidate", tip, "reject")
    tip = "Keep all candidates in this plane as cells."
    _candidates("Accept all", "accept_candidates", "", "Accept all candidates", tip, "accept_all")


def _division() -> None:
    _tool(SPLIT, "Delete", "delete", "D", "Delete the selected cells.", also=("Delete",))
    tip = "Merge the selected cells into one; Shift-click selects more."
    _tool(SPLIT, "Merge", "merge", "J", tip)
    line, points = TOOLS["split_line"], TOOLS["split_seeds"]
    tip = "Drag a line across a cell."
    _button(SPLIT, "Split line", line.name, "K", line.title, tip, partial(draw_split, kind="line"))
    tip = "Click a point in each part, then press Enter."
    _button(SPLIT, "Split points", points.name, "S", points.title, tip, partial(draw_split, kind="points"))
    tip, nothing = "Split where the cell is narrow.", "The cell has no narrow place."
    _tool(SPLIT, "Split necks", "split_auto", "Shift-S", tip, nothing=nothing)


def _shape() -> None:
    tip, nothing = "Fill the holes of the cell.", "The cell has no holes."
    _tool(SHAPE, "Fill holes", "fill_holes", "H", tip, nothing=nothing)
    _tool(SHAPE, "Debris", "remove_debris", "Shift-H", "Remove small separate parts.", remove_debris)
    smooth = partial(change_shape, name="smooth", nothing="The outline is already smooth.")
    _tool(SHAPE, "Smooth", "smooth", "O", "Smooth the outline over n pixels.", smooth)
    _tool(SHAPE, "Grow", "grow", "G", "Grow by n pixels on all sides.", partial(change_shape, name="grow"))
    _tool(
        SHAPE, "Shrink", "shrink", "Shift-G", "Shrink by n pixels on all sides.", partial(change_shape, name="shrink")
    )


def _overlap() -> None:
    nothing = "It is already on top."
    _tool(OVERLAP, "Raise", "raise", "PageUp", "Bring the cell to the top of all others.", nothing=nothing)
    nothing = "It is already at the bottom."
    _tool(OVERLAP, "Lower", "lower", "PageDown", "Send the cell below all others.", nothing=nothing)
    nothing = "It shares no pixels with other cells."
    tip = "Transfer the overlap to this cell: the other cells lose the shared pixels."
    _tool(OVERLAP, "To cell", "take_shared", "U", tip, nothing=nothing)
    tip = "Transfer the overlap to the other cells: this one loses the shared pixels."
    _tool(OVERLAP, "To others", "give_shared", "Shift-U", tip, nothing=nothing)
    tip = "Switch between Overlap, Take over and Keep out."
    _action(OVERLAP, "mode", "T", "Write mode", tip, next_mode, in_view=False)


def _views() -> None:
    look = {"changes": False, "in_view": False}
    tip = "Show the other cells as outlines only."
    _button(VIEW, "Isolate", "isolate", "I", "Isolate", tip, isolate, **look)
    tip = "Leave the selected cells out of the view; they stay as they are, and are saved."
    _button(VIEW, "Hide", "hide", "Shift-I", "Hide", tip, hide, needs=1, changes=False)
    _button(
        VIEW, "Show all", "show_hidden", "", "Show hidden cells", "Show the hidden cells again.", show_hidden, **look
    )
    tip = "Copy the cell to the next frame and go there."
    _button(VIEW, "Copy to next", "copy_next", "W", TOOLS["copy_to"].title, tip, copy_next, needs=1)


def _others() -> None:
    tip = "Give the selected cells the next category."
    _action(CATEGORY, "category", "C", "Next category", tip, next_category)
    for n in range(1, _CATEGORIES + 1):
        run = partial(set_category, category=n)
        tip = f"Give the selected cells category {n}."
        _action(CATEGORY, f"category_{n}", f"Control-{n}", f"Category {n}", tip, run)
    own = {"in_view": False, "interrupts": False}
    _action(UNDO, "undo", "Control-Z", "Undo", "Undo the last edit.", undo, everywhere=True, **own)
    _action(UNDO, "redo", "Control-Shift-Z", "Redo", "Redo the edit.", redo, everywhere=True, **own)
    tip = "Cancel the drawing, else put the tool away, else deselect."
    _action(UNDO, "escape", "Escape", "Step back", tip, escape, changes=False, **own)
    tip = "Show all keys in a window, or close it."
    _button(UNDO, "All keys", "keys", "F1", "All keys", tip, toggle_keys, everywhere=True, changes=False, **own)


for _fill in (_way_through, _new_cells, _division, _shape, _overlap, _all_candidates, _views, _others):
    _fill()
