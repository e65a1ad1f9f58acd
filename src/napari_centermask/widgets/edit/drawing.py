"""Draw lines, points, boxes and polygons on the canvas for a tool."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_centermask.widgets.viewer.layers import flat_place
from napari_centermask.widgets.viewer.state import state_of
from napari_centermask.widgets.work.gate import attempt

if TYPE_CHECKING:
    from napari.layers import Layer, Shapes
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_centermask.core.result import Index
    from napari_centermask.widgets.edit.session import EditSession

Kind = Literal["line", "points", "box", "click", "polygon"]
STILL = 4  # screen pixels that the mouse may move in a click
_COLOUR = "#ffd166"
_INSIDE, _OUTSIDE = "#4ade80", "#ff5d73"  # marks of what belongs to a cell, and of what does not
_HINTS = {
    "line": "Drag a line. Esc cancels.",
    "points": "Click the points, then press Enter or double-click. Esc cancels.",
    "box": "Drag a box. Esc cancels.",
    "click": "Click. Esc cancels.",
    "polygon": "Click the corners or drag the outline, then press Enter or double-click. Esc cancels.",
}


def draw(
    edits: EditSession, kind: Kind, on_done: Callable[[np.ndarray], object], *, hint: str = "", repeat: bool = False
) -> Drawing:
    """Start a drawing on the current plane; a drawing in progress in this viewer is cancelled.

    Parameters
    ----------
    kind
        "line" (dragged, n points), "points" (clicked), "box" (two opposite corners), "click" (one point) or "polygon".
    on_done
        Called with the points, (n, 2) float y, x, in pixels of the plane.
    hint
        Text in the status bar; by default how to draw.
    repeat
        Start again after each drawing, until Esc.

    Raises
    ------
    NotInView
        In 3D and with rolled axes.
    """
    edits.require_flat()
    edits.activate()
    edits.finish()
    cancel_drawing(edits.session.viewer)
    drawing = Drawing(edits, kind, on_done, hint=hint or _HINTS[kind], repeat=repeat)
    _place_in(edits.session.viewer).drawing = drawing
    edits.tool_changed.emit()
    return drawing


def drawing_in(viewer: Viewer) -> Drawing | None:
    """The drawing in progress in a viewer."""
    return _place_in(viewer).drawing


class _DrawingPlace:
    """Holds a viewer's drawing, one at a time."""

    def __init__(self) -> None:
        self.drawing: Drawing | None = None

    def end(self) -> None:
        """The viewer was closed, and the layer of the drawing with it."""
        self.drawing = None


def _place_in(viewer: Viewer) -> _DrawingPlace:
    return state_of(viewer).part(_DrawingPlace, _DrawingPlace)


def cancel_drawing(viewer: Viewer) -> bool:
    """Cancel the drawing in a viewer; False if there is none."""
    drawing = drawing_in(viewer)
    if drawing is not None:
        drawing.cancel()
    return drawing is not None


class Drawing:
    """A drawing in progress: a layer that shows it and handles the mouse until it ends.

    It belongs to the plane in which it began: when the sliders move or the axes are rolled, it ends without a result. One
    that repeats starts again in the new plane.

    Attributes
    ----------
    action
        Name of the action that began it; empty if none did.
    points
        (y, x) in pixels of the target's plane, so far.
    on_mark
        Called with a point (y, x), and whether it was Shift-clicked; else it was right-clicked or Control-clicked. None if
        the drawing takes no such clicks.
    """

    def __init__(
        self, edits: EditSession, kind: Kind, on_done: Callable[[np.ndarray], object], *, hint: str, repeat: bool
    ) -> None:
        viewer = edits.session.viewer
        self._edits, self._viewer, self._target = edits, viewer, edits.active.layer
        self.kind, self._on_done, self._repeat = kind, on_done, repeat
        self.action = ""
        self.points: list[np.ndarray] = []
        self.on_mark: Callable[[np.ndarray, bool], object] | None = None
        self._marks: list[tuple[np.ndarray, str]] = []
        self._drag: object | None = None  # identifies the drag in progress
        self._before = viewer.layers.selection.active
        self._mode = getattr(self._before, "mode", None)  # napari deactivates a brush when another layer is active
        self.layer = self._make_layer(hint)
        viewer.layers.events.removed.connect(self._on_removed)
        edits.plane_changed.connect(self._on_plane_changed)
        edits.flat_changed.connect(self.cancel)
        edits.deactivated.connect(self.cancel)
        edits.tool_dropped.connect(self.cancel)

    def _make_layer(self, hint: str) -> Shapes:
        from napari.layers import Shapes

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
        for key, action in (("Escape", self.cancel), ("Enter", self.finish)):
            layer.bind_key(key, lambda _, action=action: action(), overwrite=True)
        return layer

    @property
    def is_begun(self) -> bool:
        """Whether there is a point, or a drag in progress."""
        return bool(self.points) or self._drag is not None

    def finish(self) -> None:
        """End the drawing and pass its points on, if there are enough."""
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
        attempt(self._on_done, points)

    def show_marks(self, inside: Sequence[tuple[float, float]], outside: Sequence[tuple[float, float]]) -> None:
        """Show points that belong to a cell, and points that do not."""
        marks = [*((np.array(p), _INSIDE) for p in inside), *((np.array(p), _OUTSIDE) for p in outside)]
        if marks or self._marks:
            self._marks = marks
            self._preview()

    def take_back(self) -> bool:
        """Undo the drag in progress, or the last point; False if there is neither."""
        if self._drag is not None:
            self._drag = None
        elif self.points:
            self.points = self.points[:-1]
        else:
            return False
        self._preview()
        return True

    def restart(self) -> None:
        """Discard what was drawn so far and continue drawing."""
        self.points, self._drag = [], None
        self._preview()

    def cancel(self, *_: object) -> None:
        """End the drawing without a result."""
        self.points, self._drag = [], None
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._edits.plane_changed.disconnect(self._on_plane_changed, missing_ok=True)
        self._edits.flat_changed.disconnect(self.cancel, missing_ok=True)
        self._edits.deactivated.disconnect(self.cancel, missing_ok=True)
        self._edits.tool_dropped.disconnect(self.cancel, missing_ok=True)
        place = _place_in(self._viewer)
        if place.drawing is self:
            place.drawing = None
        layers = self._viewer.layers
        self._edits.session.canvas.take_out(self.layer)
        if self._before in layers:
            layers.selection.active = self._before
            self._before.mode = self._mode
        self._edits.tool_changed.emit()

    def _on_removed(self, event: Event) -> None:
        if event.value is self.layer or event.value is self._target:
            self.cancel()

    def _on_plane_changed(self, plane: Index) -> None:
        if self._repeat:
            self.restart()
        else:
            self.cancel()

    def _at(self, event: Any) -> np.ndarray:
        return np.array(self._target.world_to_data(event.position)[-2:], float)

    def _on_press(self, layer: Layer, event: Any) -> Generator[None, None, None]:
        adds = event.button == 1 and "Shift" in event.modifiers
        is_mark = self.on_mark is not None and (adds or event.button == 2 or "Control" in event.modifiers)
        if event.button != 1 and not is_mark:
            return
        start, first = np.array(event.pos, float), self._at(event)
        if is_mark and self.on_mark is not None:
            yield
            while event.type == "mouse_move":
                yield
            if np.abs(np.array(event.pos, float) - start).max() <= STILL:
                attempt(self.on_mark, first, adds)
            return
        stroke = [first]
        drag = self._drag = object()
        yield
        while event.type == "mouse_move":
            if self._drag is not drag:
                return
            stroke.append(self._at(event))
            self._on_drag(stroke)
            yield
        if self._drag is not drag:
            return
        self._drag = None
        stroke.append(self._at(event))  # moves in quick succession are skipped, even the last one
        still = np.abs(np.array(event.pos, float) - start).max() <= STILL
        self._on_release(first if still else None, stroke)

    def _on_drag(self, stroke: list[np.ndarray]) -> None:
        if self.kind in ("line", "polygon"):
            self._preview([*self.points, *stroke] if self.kind == "polygon" else stroke)
        elif self.kind == "box":
            self._preview([stroke[0], stroke[-1]])

    def _on_release(self, clicked: np.ndarray | None, stroke: list[np.ndarray]) -> None:
        """Handle the release after a click at a point, or a stroke."""
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

    def _on_double_click(self, layer: Layer, event: object) -> None:
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
        for point, colour in self._marks:
            disc = np.array([point, (5 * pixel, 5 * pixel)])
            self.layer.add_ellipses(disc, edge_width=width / 2, edge_color="white", face_color=colour)
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
