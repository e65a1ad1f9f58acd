"""All actions with their keys and buttons; importing this fills the table `keys.KEYS`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_centermask.core.tools import TOOLS
from napari_centermask.widgets.edit.actions import (
    accept,
    begin_new,
    change_shape,
    copy_next,
    draw_split,
    escape,
    isolate,
    next_category,
    next_mode,
    redo,
    reject,
    remove_debris,
    run_tool,
    set_category,
    undo,
)
from napari_centermask.widgets.edit.candidates import candidates_of
from napari_centermask.widgets.edit.clicks import click_under_cursor
from napari_centermask.widgets.edit.keys import KEYS, Action
from napari_centermask.widgets.edit.prompt import prompts_of
from napari_centermask.widgets.edit.review import select_next

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession

_CATEGORIES = 9
Run = Callable[["EditSession"], object]


def _action(name: str, key: str, title: str, tip: str, run: Run, **fields: Any) -> None:
    KEYS.add(Action(name, title, key, run, tip, **fields))


def _button(group: str, label: str, name: str, key: str, title: str, tip: str, run: Run, **fields: Any) -> None:
    _action(name, key, title, tip, run, group=group, label=label, **fields)


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

    _button("Candidates", label, name, key, title, tip, run, changes=changes)


def _way_through() -> None:
    look = {"changes": False}
    before = partial(select_next, step=-1)
    _action("previous", ",", "Previous cell", "Select and centre the previous cell.", before, **look)
    _action("next", ".", "Next cell", "Select and centre the next cell.", select_next, **look)
    _action("cycle", "Q", "Cell below", "Select the next cell under the cursor.", click_under_cursor, **look)
    _action("accept", "A", "Accept", "Accept the selected cells and go to the next one.", accept)
    _action(
        "reject",
        "R",
        "Reject",
        "Reject the selected cells, which stay in the file but hidden, and go to the next one.",
        reject,
        needs=1,
    )


def _new_cells() -> None:
    paint, polygon = partial(begin_new, mode="paint"), partial(begin_new, mode="polygon")
    _button(
        "New",
        "Brush",
        "new_brush",
        "N",
        "New cell with the brush",
        "Paint a new cell. Press N to start another one.",
        paint,
    )
    tip = "Click the corners; double-click to close the outline."
    _button("New", "Polygon", "new_polygon", "Shift-N", "New cell with the polygon", tip, polygon)
    box, click = "Drag a box around a cell; the model segments it.", "Click a cell; the model segments it."
    _button(
        "Model", "Box", "prompt_box", "9", "New cell by the model, in a box", box, lambda e: prompts_of(e).draw("box")
    )
    _button(
        "Model",
        "Click",
        "prompt_click",
        "8",
        "New cell by the model, at a click",
        click,
        lambda e: prompts_of(e).draw("click"),
    )
    tip = "Drag a box; the model segments the selected cell again inside it."
    _button("Model", "Redraw", "prompt_redraw", "Shift-R", "Redraw with the model", tip, _redraw, needs=1)
    tip = "Outline what the model found below the score threshold, where there is no cell."
    _candidates("Show", "candidates", "0", "Show low-confidence candidates", tip, "toggle", changes=False)
    _candidates(
        "Next", "next_candidate", "Shift-Y", "Next candidate", "Centre the next candidate.", "next", changes=False
    )
    _candidates(
        "Accept",
        "accept_candidate",
        "Y",
        "Accept candidate",
        "Keep the candidate as a cell and go to the next one.",
        "accept",
    )
    _candidates(
        "Reject",
        "reject_candidate",
        "'",
        "Reject candidate",
        "Mark the candidate as no cell and go to the next one.",
        "reject",
    )
    tip = "Keep all candidates in this plane as cells."
    _candidates("Accept all", "accept_candidates", "", "Accept all candidates", tip, "accept_all")


def _redraw(edits: EditSession) -> None:
    prompts_of(edits).draw("box", replace_id=edits.selected[0])


def _tools() -> None:
    _tool("Cell", "Delete", "delete", "D", "Delete the selected cells.", also=("Delete",))
    line, points = TOOLS["split_line"], TOOLS["split_seeds"]
    tip = "Click a point in each part, then press Enter."
    _button("Split", "Line", line.name, "K", line.title, "Drag a line across a cell.", partial(draw_split, kind="line"))
    _button("Split", "Points", points.name, "S", points.title, tip, partial(draw_split, kind="points"))
    tip, nothing = "Split where the cell is narrow.", "The cell has no narrow place."
    _tool("Split", "Auto", "split_auto", "Shift-S", tip, nothing=nothing)
    _tool("Cell", "Merge", "merge", "J", "Merge the selected cells into one; Shift-click selects more.")
    _tool("Shape", "Fill holes", "fill_holes", "H", "Fill the holes of the cell.", nothing="The cell has no holes.")
    _tool("Shape", "Debris", "remove_debris", "Shift-H", "Remove small separate parts.", remove_debris)
    smooth = partial(change_shape, name="smooth", nothing="The outline is already smooth.")
    _tool("Shape", "Smooth", "smooth", "O", "Smooth the outline over n pixels.", smooth)
    _tool("Shape", "Grow", "grow", "G", "Grow by n pixels on all sides.", partial(change_shape, name="grow"))
    _tool(
        "Shape", "Shrink", "shrink", "Shift-G", "Shrink by n pixels on all sides.", partial(change_shape, name="shrink")
    )
    _tool(
        "Overlap",
        "Raise",
        "raise",
        "PageUp",
        "Bring the cell to the top of all others.",
        nothing="It is already on top.",
    )
    _tool(
        "Overlap",
        "Lower",
        "lower",
        "PageDown",
        "Send the cell below all others.",
        nothing="It is already at the bottom.",
    )
    nothing = "It shares no pixels with other cells."
    _tool(
        "Overlap",
        "To cell",
        "take_shared",
        "U",
        "Transfer the overlap to this cell: the other cells lose the shared pixels.",
        nothing=nothing,
    )
    tip = "Transfer the overlap to the other cells: this one loses the shared pixels."
    _tool("Overlap", "To others", "give_shared", "Shift-U", tip, nothing=nothing)
    tip = "Copy the cell to the next frame and go there."
    _button("Cell", "Copy to next", "copy_next", "W", TOOLS["copy_to"].title, tip, copy_next, needs=1)


def _others() -> None:
    _action("category", "C", "Next category", "Give the selected cells the next category.", next_category)
    for n in range(1, _CATEGORIES + 1):
        run = partial(set_category, category=n)
        _action(f"category_{n}", f"Control-{n}", f"Category {n}", f"Give the selected cells category {n}.", run)
    anywhere = {"in_view": False}
    _action("mode", "T", "Write mode", "Switch between Overlap, Take over and Keep out.", next_mode, **anywhere)
    _button(
        "Overlap",
        "Isolate",
        "isolate",
        "I",
        "Isolate",
        "Show the other cells as outlines only.",
        isolate,
        changes=False,
        **anywhere,
    )
    own = {"in_view": False, "interrupts": False}
    _action("undo", "Control-Z", "Undo", "Undo the last edit.", undo, everywhere=True, **own)
    _action("redo", "Control-Shift-Z", "Redo", "Redo the edit.", redo, everywhere=True, **own)
    _action(
        "escape",
        "Escape",
        "Step back",
        "Cancel the drawing, else put the tool away, else deselect.",
        escape,
        changes=False,
        **own,
    )


for _fill in (_way_through, _new_cells, _tools, _others):
    _fill()
