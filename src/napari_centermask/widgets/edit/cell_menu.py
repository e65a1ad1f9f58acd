"""The menu of a cell: a right click on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QMenu

from napari_centermask.core.counted import counted
from napari_centermask.widgets.edit.allowed import CorrectState, why_not
from napari_centermask.widgets.edit.key_names import pretty_key
from napari_centermask.widgets.edit.keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_centermask.widgets.edit.keys import Action
    from napari_centermask.widgets.edit.session import EditSession

    Perform = Callable[[EditSession, Action], None]

_FIRST = ("accept", "reject", "delete")
_SPLITS = ("split_line", "split_seeds", "split_auto")
_LAST = ("merge", "prompt_redraw", "fill_holes", "isolate", "hide")


def open_menu(edits: EditSession, stack: list[int], perform: Perform) -> QMenu | None:
    """Open the menu of the top-most cell under a right click, which becomes the selected one; None without a window.

    Several selected cells stay selected if it is one of them.

    Parameters
    ----------
    stack
        Ids of the cells under the pointer, top-most first; none beside all cells.
    perform
        Runs an action; see `correction.perform`.
    """
    window = getattr(edits.session.viewer, "window", None)
    if window is None:
        return None
    if stack and not set(stack) & set(edits.selected):
        edits.select(stack[:1])
    menu = cell_menu(edits, perform, on_cell=bool(stack))
    menu.setParent(window._qt_window, menu.windowFlags())
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    menu.popup(QCursor.pos())
    return menu


def cell_menu(edits: EditSession, perform: Perform, *, on_cell: bool = True) -> QMenu:
    """What can be done to the selected cells; beside all cells, what can be done without one."""
    menu = QMenu()
    menu.setToolTipsVisible(True)

    def add(to: QMenu, name: str) -> None:
        action = KEYS.actions[name]
        key = pretty_key(KEYS.key(name))
        entry = to.addAction(f"{action.title}\t{key}" if key else action.title)
        state = CorrectState(is_flat=edits.is_flat, n_selected=len(edits.selected), closed=edits.history.closed)
        reason = why_not(action, state)
        entry.setEnabled(not reason)
        entry.setToolTip(reason or action.tip)
        entry.triggered.connect(lambda: perform(edits, action))

    if on_cell:
        n = len(edits.selected)
        title = menu.addAction(f"Cell {edits.selected[0]}" if n == 1 else counted(n, "cell"))
        title.setEnabled(False)
        menu.addSeparator()
        for name in _FIRST:
            add(menu, name)
        _add_categories(menu, edits, perform)
        split = menu.addMenu("Split")
        split.setToolTipsVisible(True)
        for name in _SPLITS:
            add(split, name)
        for name in _LAST:
            add(menu, name)
    else:
        for name in ("new_brush", "new_polygon", "prompt_box", "isolate"):
            add(menu, name)
    if edits.hidden:
        menu.addSeparator()
        add(menu, "show_hidden")
    return menu


def _add_categories(menu: QMenu, edits: EditSession, perform: Perform) -> None:
    categories = menu.addMenu("Category")
    categories.setEnabled(not edits.history.closed)
    now = {edits.result.get(edits.current_plane, id).category for id in edits.selected}
    for id, name in sorted(edits.result.categories.items()):
        action = KEYS.actions.get(f"category_{id}")
        key = "" if action is None else pretty_key(KEYS.key(action.name))
        entry = categories.addAction(f"{name}\t{key}" if key else name)
        entry.setCheckable(True)
        entry.setChecked(now == {id})
        entry.setEnabled(action is not None)
        if action is not None:
            entry.triggered.connect(lambda _=False, action=action: perform(edits, action))
