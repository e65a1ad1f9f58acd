"""The layer in which the active cell, and nothing else, is painted with napari's own tools."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.interactions import mouse_release_callbacks
from napari.utils.notifications import show_info, show_warning
from psygnal import Signal

from napari_centermask.core.compose import inner_edge
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.tools.pairs import union
from napari_centermask.widgets.parts.colours import SELECTED
from napari_centermask.widgets.viewer.layers import PAINTED, flat_place, redraw

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.utils.events import Event

_CELL, _OTHER = 1, 2
_PAINTING = ("paint", "erase", "fill", "polygon")
_MANY_BOXES = (
    12  # from which on one box around them is drawn: napari takes 8 ms for each, and 15 ms for 4 million pixels
)
_MOST_FILLED = 0.05  # of the plane: a bucket that fills more was used outside the cell
_COLOURS = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0), _CELL: (*SELECTED, 0.75), _OTHER: (*SELECTED, 1.0)}


class ActiveCell:
    """A label layer of one plane with the active cell as 1, and the rims of other selected cells as 2.

    It has two axes, so that it also fits the current plane of a stack. It contains nothing else, so a stroke can neither
    change other cells nor be hidden by them.

    Attributes
    ----------
    pressed
        Emitted when a stroke begins, before it paints.
    outline_begun
        Emitted when the first corner of a polygon is set.
    painted
        Emitted when something was painted; the pixels may be written afterwards.
    layer
        The label layer, uint8.

    Parameters
    ----------
    shape
        (H, W) of a plane.
    refusal
        Returns why nothing can be painted, in a sentence for a person; empty if it can.
    """

    pressed = Signal()
    outline_begun = Signal()
    painted = Signal()

    def __init__(self, source: Image, shape: tuple[int, int], *, refusal: Callable[[], str] = str) -> None:
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        self._data = np.zeros(shape, np.uint8)
        # Never a used layer: drawing one with a new table of colours failed ("Could not find texture", vispy 0.17).
        self.layer = Labels(
            self._data,
            name=f"{source.name} active cell",
            opacity=0.55,
            colormap=DirectLabelColormap(color_dict={k: np.array(v, float) for k, v in _COLOURS.items()}),
            metadata={PAINTED: True},
            **flat_place(source),
        )
        self._boxes: list[Box] = []  # of what is drawn
        self._dirty: Box | None = None
        self._area = 0  # of the cell that is shown
        self._own = self._stroke = self._has_corners = False
        self._refusal = refusal
        self.layer.mouse_drag_callbacks.insert(0, self._follow_stroke)
        self.layer.events.labels_update.connect(self._on_update)
        self.layer.events.paint.connect(self._on_paint)
        self.layer.events.selected_label.connect(self._on_label)
        self.layer.events.mode.connect(self._on_mode)
        self.layer._overlays["polygon"].events.points.connect(self._on_corners)

    def end(self) -> None:
        """Leave the layer to somebody else."""
        self.layer.mouse_drag_callbacks.remove(self._follow_stroke)
        self.layer.events.labels_update.disconnect(self._on_update)
        self.layer.events.paint.disconnect(self._on_paint)
        self.layer.events.selected_label.disconnect(self._on_label)
        self.layer.events.mode.disconnect(self._on_mode)
        self.layer._overlays["polygon"].events.points.disconnect(self._on_corners)

    @property
    def is_painted(self) -> bool:
        """Whether something was painted since `show`."""
        return self._dirty is not None

    @property
    def is_drawing(self) -> bool:
        """Whether a stroke, an outline with the right button, or a polygon is being drawn."""
        return self._stroke or self._encircles or bool(self.layer._overlays["polygon"].points)

    @property
    def is_stroke(self) -> bool:
        """Whether the mouse is pressed and painting."""
        return self._stroke

    @property
    def _encircles(self) -> bool:
        return bool(getattr(self.layer._overlays.get("brush_stroke"), "active", False))  # napari has it from 0.9 on

    def finish(self) -> None:
        """Finish what is being drawn: a stroke so far, or a polygon with its present corners."""
        if self._stroke:
            mouse_release_callbacks(self.layer, SimpleNamespace(type="mouse_release"))
        if self._encircles:
            self.layer._commit_stroke()
            self.layer._overlays["brush_stroke"].active = False
        polygon = self.layer._overlays["polygon"]
        if polygon.points:
            polygon.points = polygon.points[:-1]  # the last one follows the cursor
            polygon.add_polygon_to_labels(self.layer)

    def cancel(self) -> bool:
        """Cancel what is being drawn; False if nothing is. Call `show` afterwards to remove what a stroke painted."""
        drawing = self.is_drawing
        self.layer._overlays["polygon"].points = []
        if self._encircles:
            self.layer._overlays["brush_stroke"].abort(self.layer)
        self.finish()
        return drawing

    def drop_corner(self) -> bool:
        """Remove the last corner of a polygon; False if there is none."""
        polygon = self.layer._overlays["polygon"]
        corners = polygon.points[:-1]
        if corners:
            polygon.points = [*corners[:-1], polygon.points[-1]] if len(corners) > 1 else []
        return bool(corners)

    def _follow_stroke(self, layer: Labels, event: Any) -> Generator[None, None, None]:
        """Track a stroke from the press to the release of the mouse."""
        if str(layer.mode) not in ("paint", "erase") or self._on_mode():
            return
        self.pressed.emit()
        self._stroke = True
        try:
            yield
            while event.type == "mouse_move":
                yield
        finally:
            self._stroke = False

    def _on_corners(self) -> None:
        had, self._has_corners = self._has_corners, bool(self.layer._overlays["polygon"].points)
        if self._has_corners and not had:
            self.outline_begun.emit()

    def _on_mode(self) -> bool:
        """Take a tool that paints out of the hand, with the reason, where nothing can be changed; whether it was."""
        reason = self._refusal() if str(self.layer.mode) in _PAINTING else ""
        if reason:
            self.layer.mode = "pan_zoom"
            show_warning(reason)
        return bool(reason)

    def show(self, cell: Instance | None, others: list[Instance]) -> None:
        """Show a cell, and the rims of others; painting that was not taken is discarded."""
        boxes = [*self._boxes, *([self._dirty] if self._dirty else [])]
        self._boxes, self._dirty = [], None
        self._area = 0 if cell is None else cell.area
        for y0, x0, y1, x1 in boxes:
            self._data[y0:y1, x0:x1] = 0
        for other in others:
            self._put(other, inner_edge(other.mask), _OTHER)
        if cell is not None:
            self._put(cell, cell.mask, _CELL)
        self._draw(dict.fromkeys([*boxes, *self._boxes]))

    def _put(self, cell: Instance, mask: np.ndarray, value: int) -> None:
        y0, x0, y1, x1 = cell.box
        self._data[y0:y1, x0:x1][mask] = value
        self._boxes.append(cell.box)

    def _draw(self, boxes: dict[Box, None]) -> None:
        if len(boxes) > _MANY_BOXES:
            boxes = {union(boxes): None}
        self._own = True
        try:
            if not redraw(self.layer, self._data, boxes):
                self.layer.refresh(extent=False)
        finally:
            self._own = False

    def take(self) -> tuple[np.ndarray, tuple[int, int]] | None:
        """The active cell's shape after painting; None if nothing was painted since `show`.

        A bucket fill of the background beside the cell does not count.

        Returns
        -------
        mask, origin
            (h, w) bool, a window with all of the cell, and (y, x) of its first pixel.
        """
        if self._dirty is None:
            return None
        y0, x0, y1, x1 = (np.array([self._dirty, *self._boxes]).T).tolist()
        box = min(y0), min(x0), max(y1), max(x1)
        mask = self._data[box[0] : box[2], box[1] : box[3]] == _CELL
        if str(self.layer.mode) == "fill" and np.count_nonzero(mask) - self._area > _MOST_FILLED * self._data.size:
            show_info("The bucket would have filled the background. Fill inside a closed outline of the active cell.")
            return None
        return mask, box[:2]

    def _on_update(self, event: Event) -> None:
        """Record the box of the pixels that napari's tools write and announce with this event."""
        if self._own or event.data.size == 0:
            return
        (y0, x0), (h, w) = event.offset, event.data.shape[:2]
        box = int(y0), int(x0), int(y0) + h, int(x0) + w
        if self._dirty is not None:
            a, b = self._dirty, box
            box = min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
        self._dirty = box

    def _on_paint(self, event: Event) -> None:
        self.painted.emit()

    def _on_label(self, event: Event) -> None:
        """Allow only the labels of the cell and the background."""
        if self.layer.selected_label not in (0, _CELL):
            self.layer.selected_label = _CELL
