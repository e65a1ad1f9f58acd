"""Clicks on the canvas that select cells, and what the status bar shows about the cells under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.widgets.edit.cell_menu import open_menu
from napari_centermask.widgets.edit.drawing import STILL
from napari_centermask.widgets.work.gate import attempt

if TYPE_CHECKING:
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QMenu

    from napari_centermask.widgets.edit.cell_menu import Perform
    from napari_centermask.widgets.edit.session import EditSession


def click(edits: EditSession, position: object, *, several: bool = False) -> None:
    """Select the next cell under a world position, none if there is none; or give the cells there to the tool in hand.

    Parameters
    ----------
    several
        Add the cell to the selection, or remove it.
    """
    edits.finish()
    stack, selected = _stack(edits, position), edits.selected
    if edits.click_tool is not None:
        attempt(edits.click_tool.take, stack)
    elif several:
        new = next((i for i in stack if i not in selected), None)
        if new is not None:
            edits.select((*selected, new))
        elif stack:
            edits.select(i for i in selected if i != stack[0])
    elif not stack:
        edits.select(())
    else:
        turn = stack.index(selected[0]) + 1 if selected and selected[0] in stack else 0
        edits.select((stack[turn % len(stack)],))


def click_under_cursor(edits: EditSession) -> None:
    """Select the next cell under the cursor."""
    click(edits, edits.session.viewer.cursor.position)


def _stack(edits: EditSession, position: object) -> list[int]:
    y, x = edits.source.world_to_data(position)[-2:]
    return edits.at(y, x)


class ClickSelect:
    """Select cells by clicks on an image's layers: again for the next one under the cursor, with Shift for several.

    While a brush or another tool is active, Control-click selects. A right click opens the menu of a cell.

    Parameters
    ----------
    perform
        Runs an action of the menu; see `correction.perform`.

    Attributes
    ----------
    menu
        The menu that was opened last.
    """

    def __init__(self, edits: EditSession, perform: Perform) -> None:
        self._edits, self._perform = edits, perform
        self.menu: QMenu | None = None
        self._zoom: Callable[..., object] | None = None
        edits.activated.connect(self.start)
        edits.deactivated.connect(self.stop)

    def start(self) -> None:
        """Listen to the mouse."""
        viewer = self._edits.session.viewer
        if self._on_press in viewer.mouse_drag_callbacks:
            return
        viewer.layers.selection.events.active.connect(self._on_other_layer)
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_drag_callbacks.append(self._on_right_press)
        viewer.mouse_move_callbacks.append(self._on_move)
        doubles = viewer.mouse_double_click_callbacks
        self._zoom = next((c for c in doubles if getattr(c, "__name__", "") == "double_click_to_zoom"), None)
        if self._zoom is not None:
            doubles.remove(self._zoom)
        doubles.append(self._on_double_click)

    def stop(self) -> None:
        """Stop listening to the mouse."""
        viewer = self._edits.session.viewer
        if viewer is None or self._on_press not in viewer.mouse_drag_callbacks:
            return
        viewer.layers.selection.events.active.disconnect(self._on_other_layer)
        viewer.mouse_drag_callbacks.remove(self._on_press)
        viewer.mouse_drag_callbacks.remove(self._on_right_press)
        viewer.mouse_move_callbacks.remove(self._on_move)
        viewer.mouse_double_click_callbacks.remove(self._on_double_click)
        if self._zoom is not None:
            viewer.mouse_double_click_callbacks.append(self._zoom)

    def _on_other_layer(self, event: Event) -> None:
        """End a stroke when another layer becomes active, because that one gets the release of the mouse."""
        if event.value is not self._edits.active.layer and self._edits.active.is_stroke:
            self._edits.finish()

    def _means_us(self, viewer: Viewer, event: Any, *, button: int = 1) -> bool:
        layer = viewer.layers.selection.active
        if event.button != button or not any(layer is own for own in self._edits.layers):
            return False
        if not self._edits.is_flat:
            return False
        return str(layer.mode) == "pan_zoom" or "Control" in event.modifiers

    def _on_right_press(self, viewer: Viewer, event: Any) -> Generator[None, None, None] | None:
        """Open the menu of the cell after a right click; a drag zooms, and tools have their own right click."""
        if not self._means_us(viewer, event, button=2) or str(viewer.layers.selection.active.mode) != "pan_zoom":
            return
        start, position = np.array(event.pos, float), event.position
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos, float) - start).max() <= STILL and self._edits.click_tool is None:
            self._edits.finish()
            self.menu = open_menu(self._edits, _stack(self._edits, position), self._perform)

    def _on_press(self, viewer: Viewer, event: Any) -> Generator[None, None, None] | None:
        if not self._means_us(viewer, event) or "Alt" in event.modifiers:
            return
        layer = viewer.layers.selection.active
        mode = str(layer.mode)
        self._edits.finish()
        if mode != "pan_zoom":
            layer.mode = "pan_zoom"  # before the brush sees the press: viewers' callbacks come first
        start, position, several = np.array(event.pos, float), event.position, "Shift" in event.modifiers
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos, float) - start).max() <= STILL:
            click(self._edits, position, several=several)
        if mode != "pan_zoom":
            layer.mode = mode

    def _on_double_click(self, viewer: Viewer, event: Any) -> None:
        if self._means_us(viewer, event) and _stack(self._edits, event.position):
            click(self._edits, event.position, several="Shift" in event.modifiers)
        elif self._zoom is not None:
            self._zoom(viewer, event)

    def _on_move(self, viewer: Viewer, event: Any) -> None:
        """Show the cells under the cursor in the status bar."""
        layer = viewer.layers.selection.active
        if event.is_dragging or not self._edits.is_flat or not any(layer is own for own in self._edits.layers):
            return
        text = depth_text(_stack(self._edits, event.position), self._edits.selected)
        if layer.help != text:
            layer.help = text


def depth_text(stack: list[int], selected: tuple[int, ...]) -> str:
    """The cells at a pixel: "2 cells here: 41 over 12"."""
    if not stack:
        return "Click selects a cell; Shift adds one; right click: menu; 2 paints, 1 erases, 3 draws a polygon"
    names = " over ".join(f"[{i}]" if selected and i == selected[0] else str(i) for i in stack)
    return f"Cell {names}" if len(stack) == 1 else f"{len(stack)} cells here: {names}"
