"""The mouse on the canvas: clicks that select cells, and lines, points, boxes and polygons drawn for a tool."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_centermask.widgets.viewer.view import shows_planes

if TYPE_CHECKING:
    from napari.layers import Layer, Shapes
    from napari.viewer import Viewer

    from napari_centermask.widgets.edit.session import EditSession

Kind = Literal["line", "points", "box", "click", "polygon"]
_STILL = 4  # screen pixels that the mouse may move in a click
_COLOUR = "#ffd166"
_HINTS = {
    "line": "Drag a line. Esc cancels.",
    "points": "Click the points; Enter or a double click ends. Esc cancels.",
    "box": "Drag a box. Esc cancels.",
    "click": "Click. Esc cancels.",
    "polygon": "Click the corners or drag the outline; Enter or a double click ends. Esc cancels.",
}
_DRAWINGS: dict[int, Drawing] = {}


def draw(
    viewer: Viewer,
    layer: Layer,
    kind: Kind,
    on_done: Callable[[np.ndarray], object],
    *,
    hint: str = "",
    repeat: bool = False,
) -> Drawing:
    """Let a person draw on the canvas; a drawing in progress in this viewer is cancelled.

    Parameters
    ----------
    layer
        In whose pixels points are given; for stacks, in those of the plane in view.
    kind
        "line" (dragged, n points), "points" (clicked), "box" (two opposite corners), "click" (one point) or "polygon".
    on_done
        Called with the points, (n, 2) float y, x, in pixels of the plane.
    hint
        What the status line says; how to draw when not given.
    repeat
        Begin again after each drawing, until Esc.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    cancel_drawing(viewer)
    drawing = Drawing(viewer, layer, kind, on_done, hint=hint or _HINTS[kind], repeat=repeat)
    _DRAWINGS[id(viewer)] = drawing
    return drawing


def drawing_in(viewer: Viewer) -> Drawing | None:
    """What is being drawn in a viewer."""
    return _DRAWINGS.get(id(getattr(viewer, "__wrapped__", viewer)))


def cancel_drawing(viewer: Viewer) -> bool:
    """Cancel what is being drawn in a viewer; False if nothing is."""
    drawing = drawing_in(viewer)
    if drawing is not None:
        drawing.cancel()
    return drawing is not None


class Drawing:
    """A drawing in progress: a layer that shows it and takes the mouse until it ends.

    Attributes
    ----------
    points
        (y, x) in pixels of the target's plane, so far.
    """

    def __init__(
        self,
        viewer: Viewer,
        target: Layer,
        kind: Kind,
        on_done: Callable[[np.ndarray], object],
        *,
        hint: str,
        repeat: bool,
    ) -> None:
        self._viewer, self._target, self.kind, self._on_done, self._repeat = viewer, target, kind, on_done, repeat
        self.points: list[np.ndarray] = []
        self._before = viewer.layers.selection.active
        self._mode = getattr(self._before, "mode", None)  # napari puts a brush away when another layer is active
        self.layer = self._make_layer(hint)
        viewer.layers.events.removed.connect(self._on_removed)

    def _make_layer(self, hint: str) -> Shapes:
        from napari.layers import Shapes

        from napari_centermask.widgets.viewer.layers import flat_place

        layer = Shapes(
            ndim=2, name=f"draw: {self.kind}", edge_color=_COLOUR, face_color="transparent", **flat_place(self._target)
        )
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer
        layer.mouse_pan = False
        layer.cursor = "crosshair"
        layer.help = hint
        layer.mouse_drag_callbacks.append(self._on_press)
        layer.mouse_double_click_callbacks.append(self._on_double_click)
        for key, action in (("Escape", self.cancel), ("Enter", self.finish), ("Control-Z", self.take_back)):
            layer.bind_key(key, lambda _, action=action: action(), overwrite=True)
        return layer

    def finish(self) -> None:
        """End the drawing and hand its points over, if there are enough of them."""
        points = np.array(self.points, float).reshape(-1, 2)
        if len(points) < {"line": 2, "box": 2, "polygon": 3}.get(self.kind, 1):
            self.points = []
            self._preview()
            return
        if self._repeat:
            self.points = []
            self._preview()
        else:
            self.cancel()
        self._on_done(points)

    def take_back(self) -> None:
        """Take the last point back."""
        self.points = self.points[:-1]
        self._preview()

    def cancel(self) -> None:
        """End the drawing without a result."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        if _DRAWINGS.get(id(self._viewer)) is self:
            del _DRAWINGS[id(self._viewer)]
        layers = self._viewer.layers
        if self.layer in layers:
            layers.remove(self.layer)
        if self._before in layers:
            layers.selection.active = self._before
            self._before.mode = self._mode

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer or event.value is self._target:
            self.cancel()

    def _at(self, event: Any) -> np.ndarray:
        return np.array(self._target.world_to_data(event.position)[-2:], float)

    def _on_press(self, layer: Layer, event: Any) -> Generator[None, None, None]:
        if event.button != 1:
            return
        start, first = np.array(event.pos, float), self._at(event)
        stroke = [first]
        yield
        while event.type == "mouse_move":
            stroke.append(self._at(event))
            self._on_drag(stroke)
            yield
        stroke.append(self._at(event))  # moves in quick succession are left out, the last one too
        still = np.abs(np.array(event.pos, float) - start).max() <= _STILL
        self._on_release(first if still else None, stroke)

    def _on_drag(self, stroke: list[np.ndarray]) -> None:
        if self.kind in ("line", "polygon"):
            self._preview([*self.points, *stroke] if self.kind == "polygon" else stroke)
        elif self.kind == "box":
            self._preview([stroke[0], stroke[-1]])

    def _on_release(self, clicked: np.ndarray | None, stroke: list[np.ndarray]) -> None:
        """End a press: of a click at a point, or of a stroke."""
        if self.kind in ("line", "box"):
            if clicked is None:
                self.points = stroke if self.kind == "line" else [stroke[0], stroke[-1]]
                self.finish()
        elif self.kind == "click":
            self.points = [stroke[0]]
            self.finish()
        elif clicked is not None:
            self.points.append(clicked)
            self._preview()
        elif self.kind == "polygon":
            self.points += stroke
            self.finish()

    def _on_double_click(self, layer: Layer, event: Any) -> None:
        if self.kind in ("points", "polygon"):
            self.finish()
        elif self.kind == "click":
            self.points = [self._at(event)]
            self.finish()

    def _preview(self, points: list[np.ndarray] | None = None) -> None:
        """Draw the points as they are so far."""
        points = self.points if points is None else points
        pixel = 1 / max(getattr(self._viewer, "scene", self._viewer).camera.zoom * abs(self.layer.scale[-1]), 1e-9)
        width = 3 * pixel
        self.layer.selected_data = set()
        self.layer.data = []
        if not points:
            return
        if self.kind == "points":
            discs = [np.array([p, (4 * pixel, 4 * pixel)]) for p in points]
            self.layer.add_ellipses(discs, edge_width=width, edge_color=_COLOUR, face_color=_COLOUR)
        elif self.kind == "box" and len(points) > 1:
            self.layer.add_rectangles(np.array(points), edge_width=width, edge_color=_COLOUR, face_color="#ffd16622")
        elif len(points) > 1:
            add = self.layer.add_polygons if self.kind == "polygon" and len(points) > 2 else self.layer.add_paths
            add(np.array(points), edge_width=width, edge_color=_COLOUR, face_color="#ffd16622")
        else:
            self.layer.add_ellipses(np.array([points[0], (3 * pixel, 3 * pixel)]), edge_width=width, edge_color=_COLOUR)


class ClickSelect:
    """Clicks on an image's layers select cells: again for the next one under the cursor, with Shift for several.

    With a brush or another tool in hand, Control and a click select.
    """

    def __init__(self, edits: EditSession) -> None:
        self._edits = edits
        self._zoom: Callable | None = None

    def start(self) -> None:
        """Listen to the mouse."""
        viewer = self._edits.session.viewer
        if self._on_press in viewer.mouse_drag_callbacks:
            return
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_move_callbacks.append(self._on_move)
        doubles = viewer.mouse_double_click_callbacks
        self._zoom = next((c for c in doubles if getattr(c, "__name__", "") == "double_click_to_zoom"), None)
        if self._zoom is not None:
            doubles.remove(self._zoom)
        doubles.append(self._on_double_click)

    def stop(self) -> None:
        """Leave the mouse to napari again."""
        viewer = self._edits.session.viewer
        if viewer is None or self._on_press not in viewer.mouse_drag_callbacks:
            return
        viewer.mouse_drag_callbacks.remove(self._on_press)
        viewer.mouse_move_callbacks.remove(self._on_move)
        viewer.mouse_double_click_callbacks.remove(self._on_double_click)
        if self._zoom is not None:
            viewer.mouse_double_click_callbacks.append(self._zoom)

    def _means_us(self, viewer: Viewer, event: Any) -> bool:
        layer = viewer.layers.selection.active
        if event.button != 1 or not any(layer is own for own in self._edits.layers):
            return False
        if not shows_planes(viewer, self._edits.source):
            return False
        return str(layer.mode) == "pan_zoom" or "Control" in event.modifiers

    def _on_press(self, viewer: Viewer, event: Any) -> Generator[None, None, None] | None:
        if not self._means_us(viewer, event) or "Alt" in event.modifiers:
            return
        layer = viewer.layers.selection.active
        mode = str(layer.mode)
        if mode != "pan_zoom":
            layer.mode = "pan_zoom"  # before the brush sees the press: viewers' callbacks come first
        start, position, several = np.array(event.pos, float), event.position, "Shift" in event.modifiers
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos, float) - start).max() <= _STILL:
            self.click(position, several=several)
        if mode != "pan_zoom":
            layer.mode = mode

    def _on_double_click(self, viewer: Viewer, event: Any) -> None:
        if self._means_us(viewer, event) and self._stack(event.position):
            self.click(event.position, several="Shift" in event.modifiers)
        elif self._zoom is not None:
            self._zoom(viewer, event)

    def _stack(self, position: Any) -> list[int]:
        y, x = self._edits.source.world_to_data(position)[-2:]
        return self._edits.at(y, x)

    def click(self, position: Any, *, several: bool = False) -> None:
        """Select at a position in the world: the next cell under it, none where there is none.

        Parameters
        ----------
        several
            Add the cell to the selection, or take it out.
        """
        self._edits.flush()
        stack, selected = self._stack(position), self._edits.selected
        if several:
            new = next((i for i in stack if i not in selected), None)
            if new is not None:
                self._edits.select((*selected, new))
            elif stack:
                self._edits.select(i for i in selected if i != stack[0])
        elif not stack:
            self._edits.select(())
        else:
            turn = stack.index(selected[0]) + 1 if selected and selected[0] in stack else 0
            self._edits.select((stack[turn % len(stack)],))

    def cycle(self) -> None:
        """Select the next cell under the cursor."""
        self.click(self._edits.session.viewer.cursor.position)

    def _on_move(self, viewer: Viewer, event: Any) -> None:
        """Say in the status line which cells lie under the cursor."""
        layer = viewer.layers.selection.active
        if event.is_dragging or not any(layer is own for own in self._edits.layers):
            return
        text = depth_text(self._stack(event.position), self._edits.selected)
        if layer.help != text:
            layer.help = text


def depth_text(stack: list[int], selected: tuple[int, ...]) -> str:
    """What lies at a pixel, in words: "2 cells here: 41 over 12"."""
    if not stack:
        return "Click selects a cell; Shift adds one; 2 paints, 1 erases, 3 draws a polygon"
    names = " over ".join(f"[{i}]" if selected and i == selected[0] else str(i) for i in stack)
    return f"Cell {names}" if len(stack) == 1 else f"{len(stack)} cells here: {names}"
