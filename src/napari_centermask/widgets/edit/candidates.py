"""Low-confidence candidates: detections below the score threshold, outlined, to accept or reject by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from weakref import ref

import numpy as np
from napari.utils.notifications import show_info
from psygnal import Signal

from napari_centermask.core.compose import inner_edge
from napari_centermask.core.missed import missed
from napari_centermask.core.tools.pairs import union
from napari_centermask.widgets.edit.key_names import pretty_key
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.viewer.layers import flat_place, redraw
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event

    from napari_centermask.core.history import Edit
    from napari_centermask.core.instances import Box, Instance
    from napari_centermask.widgets.edit.session import EditSession

_CANDIDATE, _CURRENT = 1, 2
_NONE = "There are no low-confidence candidates in this plane."
_FEW = 16  # boxes; with more, all candidates are drawn again
_COLOURS = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0), _CANDIDATE: (1.0, 0.35, 0.95, 1.0), _CURRENT: (1.0, 0.9, 0.2, 0.7)}


def candidates_of(edits: EditSession) -> Candidates:
    """The candidates of a correction, made on first use."""
    return edits.shown.part(Candidates, lambda: Candidates(edits))


class Candidates:
    """Candidates below the threshold that no shown cell covers, in a separate layer that follows every edit.

    Attributes
    ----------
    changed
        Emitted when the candidates or the current one change.
    """

    changed = Signal()

    def __init__(self, edits: EditSession) -> None:
        self._edits = ref(edits)
        self._cells: dict[int, Instance] = {}
        self._current = 0
        self._layer: Labels | None = None
        self._links = Connections()
        self._data = np.zeros((1, 1), np.uint8)

    @property
    def is_shown(self) -> bool:
        """Whether the candidates are on the canvas."""
        return self._layer is not None

    @property
    def cells(self) -> list[Instance]:
        """The candidates of the current plane, the most likely first; none while they are hidden."""
        return sorted(self._cells.values(), key=lambda i: -i.score * i.mask_quality)

    @property
    def current(self) -> Instance | None:
        """The candidate that `accept` and `reject` apply to."""
        return self._cells.get(self._current)

    @property
    def layer(self) -> Labels | None:
        """The layer of the outlines, while they are shown."""
        return self._layer

    def toggle(self) -> None:
        """Show the candidates, or hide them."""
        if self.is_shown:
            self.hide()
        else:
            self.show()

    def show(self) -> None:
        """Outline the candidates of the current plane, and show how many there are."""
        if self.is_shown:
            return
        edits = self._edits()
        edits.activate()
        edits.finish()
        self._layer = self._make_layer(edits)
        edits.show_layer(self._layer)
        self._links.add(edits.edited, self._on_edited)
        self._links.add(edits.plane_changed, self._find)
        self._links.add(edits.session.changed, self._on_changed)
        self._links.add(edits.session.viewer.layers.events.removed, self._on_removed)
        self._links.add(edits.deactivated, self.hide)
        self._find()
        n = len(self._cells)
        accept, reject = (pretty_key(KEYS.key(name)) for name in ("accept_candidate", "reject_candidate"))
        keys = f"{accept} accepts, {reject} rejects"
        show_info(f"{n:,} low-confidence {'candidate' if n == 1 else 'candidates'}: {keys}." if n else _NONE)

    def hide(self) -> None:
        """Remove the candidates from the canvas."""
        if self._layer is None:
            return
        edits, layer, self._layer = self._edits(), self._layer, None
        self._cells, self._current = {}, 0
        self._links.end()
        if edits is not None:
            edits.remove_layer(layer)
        self.changed.emit()

    def end(self) -> None:
        """The image's result is no longer shown."""
        self.hide()

    def _make_layer(self, edits: EditSession) -> Labels:
        from napari.layers import Labels
        from napari.utils.colormaps import DirectLabelColormap

        self._data = np.zeros(edits.result.shape, np.uint8)
        colours = DirectLabelColormap(color_dict={k: np.array(v, float) for k, v in _COLOURS.items()})
        name = f"{edits.source.name} low-confidence candidates"
        layer = Labels(self._data, name=name, opacity=0.9, colormap=colours, **flat_place(edits.source))
        layer.editable = False
        return layer

    def next(self) -> None:
        """Go to the next candidate and centre it; after the last comes the first."""
        if not self.is_shown:
            self.show()
            self._centre()
            return
        ids = [i.id for i in self.cells]
        if ids:
            place = ids.index(self._current) if self._current in ids else -1
            self._set_current(ids[(place + 1) % len(ids)])
            self._centre()
        else:
            show_info(_NONE)

    def accept(self) -> None:
        """Make the current candidate a cell and go to the next one."""
        self._decide("accept")

    def reject(self) -> None:
        """Reject the current candidate, so that it is not shown again, and go to the next one."""
        self._decide("reject")

    def accept_all(self) -> None:
        """Make all candidates of the current plane cells, as one edit; show them first if they are not shown."""
        edits = self._edits()
        if not self.is_shown:
            self.show()
        elif self._cells:
            edits.run_tool("accept", tuple(self._cells))
        else:
            show_info(_NONE)

    def _decide(self, tool: Literal["accept", "reject"]) -> None:
        edits = self._edits()
        if not self.is_shown or self.current is None:
            self.next()
            return
        ids = [i.id for i in self.cells]
        following = ids[ids.index(self._current) + 1 :] + ids[: ids.index(self._current)]
        edits.run_tool(tool, (self._current,))
        self._set_current(next((i for i in following if i in self._cells), 0))
        self._centre()

    def _centre(self) -> None:
        if self.current is not None:
            self._edits().centre_on(self._current)

    def _set_current(self, id: int) -> None:
        before, self._current = self.current, id
        self._draw([i.box for i in (before, self.current) if i is not None])
        self.changed.emit()

    def _find(self, *_: object) -> None:
        """Find the candidates in the whole current plane."""
        edits = self._edits()
        boxes = [i.box for i in self._cells.values()]
        self._cells = {i.id: i for i in missed(edits.result, edits.current_plane)}
        self._keep_current()
        self._draw([*boxes, *(i.box for i in self._cells.values())])
        self.changed.emit()

    def _on_edited(self, edit: Edit) -> None:
        """Find candidates again where cells changed."""
        edits = self._edits()
        changes = [c for c in edit.changes if c.plane == edits.current_plane]
        if not changes:
            return
        box = union(i.box for c in changes for i in (c.before, c.after) if i is not None)
        near = {k: i for k, i in self._cells.items() if _meet(i.box, box)}
        now = {i.id: i for i in missed(edits.result, edits.current_plane, within=box)}
        if now != near:
            self._cells = {k: i for k, i in self._cells.items() if k not in near} | now
            self._keep_current()
            self._draw([i.box for i in (*near.values(), *now.values())])
            self.changed.emit()

    def _keep_current(self) -> None:
        if self._current not in self._cells:
            self._current = self.cells[0].id if self._cells else 0

    def _draw(self, boxes: list[Box]) -> None:
        if self._layer is None:
            return
        for y0, x0, y1, x1 in boxes:
            self._data[y0:y1, x0:x1] = 0
        near = list(self._cells.values())
        if len(boxes) <= _FEW:
            near = [i for i in near if any(_meet(i.box, box) for box in boxes)]
        for cell in sorted(near, key=lambda i: i.id == self._current):
            is_current = cell.id == self._current
            y0, x0, y1, x1 = cell.box
            mask = cell.mask if is_current else inner_edge(cell.mask)
            self._data[y0:y1, x0:x1][mask] = _CURRENT if is_current else _CANDIDATE
        drawn = dict.fromkeys([*boxes, *(i.box for i in near)])
        if not redraw(self._layer, self._data, drawn):
            self._layer.refresh(extent=False)

    def _on_changed(self, source: object) -> None:
        edits = self._edits()
        if edits is None or edits.source is not source:
            return
        if edits.session.shown(source) is edits.shown:
            self._find()
        else:
            self.hide()

    def _on_removed(self, event: Event) -> None:
        """The layer was deleted, or the correction has ended."""
        edits = self._edits()
        if event.value is self._layer or edits is None or event.value is edits.active.layer:
            self.hide()


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
