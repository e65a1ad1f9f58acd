"""A label layer coloured by category with a threshold, or by probability; moving the threshold redraws no pixel.

A pixel holds everything about its cell that does not depend on the threshold: the probability in hundredths, the next best
category, the present one, and whether the pixel is on the cell's edge. A threshold is a table of colours for these numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer

from napari_centermask.core.viability import CellProbabilities
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.viewer.layers import place_of, redraw
from napari_centermask.widgets.work.connections import Connections, stop_timer

if TYPE_CHECKING:
    from napari.utils.events import Event

    from napari_centermask.core.history import Edit
    from napari_centermask.core.instances import Box
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown

_ROLE = "viability"
MOST_CATEGORIES = 17  # more do not fit into 16 bits
BY_CATEGORY, BY_PROBABILITY, AS_BEFORE = "category", "probability", "before"
# Opacities of cells, outlines and the hatch: choices; the image stays visible below.
_FILL, _EDGE, _HATCH = 0.45, 0.9, (1.0, 1.0, 1.0, 0.75)
_STEPS = 100  # of a probability; those of the slider
_FIXED = _STEPS + 1  # the cell does not follow the threshold
_MIDDLE = np.array([0.93, 0.93, 0.93])  # of the probability 0.5
_SLACK = 1e-4  # of a step: float32
_MANY = 200  # changes from which on a whole plane is drawn faster than its boxes
_FIRST = 2  # 0 is background, 1 the hatch


class ViabilityLayer:
    """Shown in place of a result's two layers.

    Parameters
    ----------
    cells
        The probabilities; their owner updates them after an edit before calling `follow`.
    """

    def __init__(self, session: Session, shown: Shown, cells: CellProbabilities) -> None:
        self._session, self._shown, self._cells = session, shown, cells
        source = shown.source()
        self._codes = np.zeros((*shown.planes.leading, *shown.planes.shape), np.uint16)
        spread = shown.layers.spread(self._codes)
        make = session.canvas.labels
        self.layer = make(spread, role=_ROLE, name=f"{source.name} viability", opacity=1.0, **place_of(source))
        self.layer.editable = False
        self.threshold: float | None = None
        self.mode = BY_CATEGORY
        self._stale: set[Index] = set()
        self._links = Connections()
        self._on_removed: Callable[[], None] = lambda: None
        self._timer = QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._draw_next)
        self.reset()

    def show(self, *, on_removed: Callable[[], None]) -> None:
        """Show the layer above the result's layers, which are hidden; `on_removed` is called if the user removes it."""
        self._on_removed = on_removed
        self._session.show_above(self._shown, self.layer)
        self._show_others(False)
        viewer = self._session.viewer
        active = self._shown.edits.layer if self._shown.edits is not None else None
        if active in viewer.layers:  # what is painted lies on top
            viewer.layers.move(viewer.layers.index(self.layer), viewer.layers.index(active))
        self._links.add(viewer.layers.events.removed, self._on_layer_removed)
        for event in (viewer.dims.events.current_step, viewer.dims.events.order, viewer.dims.events.ndisplay):
            self._links.add(event, self._on_step)
        self._links.add(self._shown.composed, self._on_step)

    def hide(self) -> None:
        """Remove it from the viewer and show the result's layers again."""
        stop_timer(self._timer)
        self._links.end()
        if self._session.viewer is not None:
            self._session.canvas.take_out_soon(self.layer, role=_ROLE)
        self._show_others(True)

    def _on_layer_removed(self, event: Event) -> None:
        if event.value is self.layer:
            self.hide()
            self._on_removed()

    def _on_step(self, event: Event | None = None) -> None:
        self.draw_current()
        if self._stale and self._shown.plane_in_view() is None:
            self._timer.start()

    def _show_others(self, visible: bool) -> None:
        for layer in (self._shown.layers.cells, self._shown.layers.outlines):
            layer.visible = visible

    def reset(self) -> None:
        """Draw everything again, because other cells are shown or another category is used."""
        self._stale = set(self._shown.result.planes)
        self._ids = sorted({*self._shown.result.categories, *self._cells.columns.data["category"].tolist()} - {0})
        self.set_colours(self.threshold, self.mode)
        self._on_step()

    def set_colours(self, threshold: float | None, mode: str) -> None:
        """Colour by a threshold, or with None by the present categories."""
        from napari.utils.colormaps import CyclicLabelColormap

        self.threshold, self.mode = threshold, mode
        # Cyclic only in name, as there is a colour for each number. napari makes its table of such a map at once, but that of
        # a direct one number by number.
        self.layer.colormap = CyclicLabelColormap(colors=self._colours())

    def _colours(self) -> np.ndarray:
        """(codes, 4) RGBA of every number that a pixel can hold."""
        n = len(self._ids)
        step, other, now = np.indices((_FIXED + 1, n, n)).reshape(3, -1)
        shown = now
        if self.threshold is not None and self._cells.category in self._ids:
            above = step >= self.threshold * _STEPS - _SLACK
            shown = np.where(step == _FIXED, now, np.where(above, self._ids.index(self._cells.category), other))
        palette = np.array([category_colour(c, self._shown.result.colours) for c in self._ids])[:, :3]
        fill = edge = palette[shown]
        if self.mode == BY_PROBABILITY and self._cells.category in self._ids:
            dead = palette[self._ids.index(self._cells.category)]
            part = np.minimum(step, _STEPS)[:, None] / _STEPS
            mixed = np.where(part < 0.5, _mix(palette[other], _MIDDLE, 2 * part), _mix(_MIDDLE, dead, 2 * part - 1))
            fill = np.where((step == _FIXED)[:, None], fill, mixed)
        colours = np.zeros((_FIRST + 2 * len(step), 4))
        colours[1] = _HATCH
        colours[_FIRST::2, :3], colours[_FIRST::2, 3] = fill, _FILL
        colours[_FIRST + 1 :: 2, :3], colours[_FIRST + 1 :: 2, 3] = edge, _EDGE
        return colours

    def _by_slot(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(slots,) uint16 each: the values of a cell's pixels, inside and on the edge."""
        cells, columns = self._cells, self._cells.columns
        rows = np.array([-1 if (row := columns.row(int(id))) is None else row for id in ids])
        free, known = cells.free[rows], np.searchsorted(self._ids, cells.other[rows])
        step = np.where(free, np.floor(np.nan_to_num(cells.probability[rows]) * _STEPS + _SLACK), _FIXED).astype(int)
        now = np.searchsorted(self._ids, columns.data["category"][rows])
        shape = (_FIXED + 1, len(self._ids), len(self._ids))
        kinds = np.ravel_multi_index((step, np.where(free, known, 0), now), shape, mode="clip")
        fill = (_FIRST + 2 * kinds).astype(np.uint16)
        edge = fill + np.uint16(1)
        fill[rows < 0], edge[0] = 0, 1
        return fill, edge

    def follow(self, edit: Edit) -> None:
        """Redraw what an edit changed, after the result's own layers were updated."""
        new = {c.after.category for c in edit.changes if c.after is not None} - set(self._ids)
        if new:  # the numbers cannot hold it
            self.reset()
            return
        here, boxes = self._shown.plane_in_view(), []
        for change in edit.changes:
            if change.plane == here and change.plane not in self._stale:
                boxes += [cell.box for cell in (change.before, change.after) if cell is not None]
            else:
                self._stale.add(change.plane)
        if len(boxes) > _MANY:
            self._stale.add(here)
        elif boxes:
            self._paint(here, boxes)
        self._on_step()

    def draw_current(self) -> None:
        """Draw the current plane if it is outdated and the layers of the result are up to date."""
        here = self._shown.plane_in_view()
        if here in self._stale and here not in self._shown.layers.behind:
            self._paint(here)
            self.layer.refresh(extent=False)

    def _draw_next(self) -> None:
        """Draw another plane of a stack that is shown as a volume; otherwise, planes are drawn when they are shown."""
        if self._stale and self._shown.plane_in_view() is None:
            self._paint(next(iter(self._stale)))
        else:
            self._timer.stop()
            self.layer.refresh(extent=False)

    def _paint(self, index: Index, boxes: list[Box] | None = None) -> None:
        views = self._shown.layers.views(index)
        fill, edge = self._by_slot(views.ids)
        plane = self._codes[index]
        for box in boxes or [(0, 0, *plane.shape)]:
            views.paint(plane, box, fill=fill, outline=edge)
        self._stale.discard(index)
        if boxes and not redraw(self.layer, plane, boxes):
            self.layer.refresh(extent=False)


def _mix(a: np.ndarray, b: np.ndarray, part: np.ndarray) -> np.ndarray:
    return a * (1 - part) + b * part
