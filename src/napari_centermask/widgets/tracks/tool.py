"""Tracks corrected by clicks on the canvas: link, cut and divide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from psygnal import Signal

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.tracks import Way, cut, divide, link
from napari_centermask.widgets.edit.session import ClickTool
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari_centermask.core.history import Change
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.edit.session import EditSession

Kind = Literal["link", "cut", "divide"]
_LABELS: dict[Kind, str] = {"link": "Link", "cut": "Cut", "divide": "Division"}
_FIRST: dict[Kind, str] = {
    "link": "Click a cell. Then click the same cell in the next {unit}, and so on. Esc ends.",
    "cut": "Click the cell that begins a track of its own. Esc ends.",
    "divide": "Click the cell that divides. Then click its daughters in the next {unit}. Esc ends.",
}
_NEXT: dict[Kind, str] = {
    "link": "Click cell {cell} of {unit} {at} here, or in another {unit}. Esc ends.",
    "divide": "Click the daughters of cell {cell} of {unit} {at}, one after the other. Esc ends.",
}


@dataclass(frozen=True)
class _Start:
    """The cell that was clicked first."""

    plane: Index
    id: int


class TrackTool:
    """The tool in hand, and the cell that was clicked first.

    Attributes
    ----------
    changed
        Emitted when the tool was taken, put away, or waits for another click.
    kind
        None without a tool.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self._edits: EditSession | None = None
        self._way: Way | None = None
        self._start: _Start | None = None
        self._links = Connections()

    def begin(self, kind: Kind, edits: EditSession, way: Way) -> None:
        """Take a tool in hand; a cell that is selected counts as clicked.

        Raises
        ------
        UserError
            If the planes are not shown, or the selected cell cannot be cut.
        """
        self.end()
        chosen = edits.selected[:1]
        edits.take_clicks(ClickTool(_LABELS[kind], self._take))
        self.kind, self._edits, self._way, self._start = kind, edits, way, None
        self._links.add(edits.tool_changed, self._on_tool_changed)
        if chosen:
            self._take(list(chosen))
        self.changed.emit()

    def end(self) -> None:
        """Put the tool away."""
        edits, self._edits, self.kind, self._start = self._edits, None, None, None
        self._links.end()
        if edits is not None:
            if edits.click_tool is not None:
                edits.drop_tool()
            self.changed.emit()

    def _on_tool_changed(self) -> None:
        if self._edits is not None and self._edits.click_tool is None:
            self.end()

    @property
    def text(self) -> str:
        """What to do next; empty without a tool."""
        if self.kind is None or self._way is None:
            return ""
        unit = "slice" if self._way.is_depth else "frame"
        if self._start is None:
            return _FIRST[self.kind].format(unit=unit)
        return _NEXT[self.kind].format(unit=unit, cell=self._start.id, at=self._way.at(self._start.plane))

    def _take(self, ids: list[int]) -> None:
        """A click on cells, the top-most first."""
        edits, way = self._edits, self._way
        if edits is None or way is None or not ids:
            return
        plane, start = edits.current_plane, self._start
        if self.kind == "cut":
            self._do(edits, f"cut of the track of cell {ids[0]}", lambda: cut(edits.result, (plane, ids[0]), way))
        elif start is None or edits.result.get(start.plane, start.id) is None:
            self._begin_at(edits, way, _Start(plane, _selected_of(edits, ids)))
        else:
            self._pair(edits, way, start, _Start(plane, _likest(edits, start, ids)))
        self.changed.emit()

    def _begin_at(self, edits: EditSession, way: Way, start: _Start) -> None:
        self._start = start
        self._go_on(edits, way, start.plane)

    def _pair(self, edits: EditSession, way: Way, start: _Start, then: _Start) -> None:
        a, b = (start.plane, start.id), (then.plane, then.id)
        if self.kind == "divide":
            self._do(edits, f"division of cell {start.id}", lambda: divide(edits.result, a, b, way))
            return
        if way.at(start.plane) == way.at(then.plane):  # another cell to begin with
            self._begin_at(edits, way, then)
            return
        self._do(edits, f"link of cell {start.id} to cell {then.id}", lambda: link(edits.result, a, b, way))
        self._begin_at(edits, way, then)

    @staticmethod
    def _do(edits: EditSession, name: str, changes: Callable[[], Sequence[Change]]) -> None:
        edits.finish()
        edits.history.do(name, changes())

    def _go_on(self, edits: EditSession, way: Way, plane: Index) -> None:
        """Go to the next frame, where the second click is expected; stay at the last one."""
        at = way.at(plane) + 1
        if at < edits.result.leading[way.axis]:
            edits.go_to(way.place(at, way.rest(plane)))


def _selected_of(edits: EditSession, ids: list[int]) -> int:
    """The cell that a first click means: the selected one if it lies there, else the top-most."""
    return next((id for id in edits.selected if id in ids), ids[0])


def _likest(edits: EditSession, start: _Start, ids: list[int]) -> int:
    """The cell that a second click means: of those that lie there, the one that overlaps the first one most."""
    first = edits.result.get(start.plane, start.id)
    cells = [edits.result.get(edits.current_plane, id) for id in ids]
    if first is None:
        return ids[0]
    return max(zip(ids, cells, strict=True), key=lambda pair: _iou(first, pair[1]))[0]


def _iou(a: Instance, b: Instance | None) -> float:
    if b is None:
        raise BadSettings("This cell is gone. Click another one.")
    common = intersection(a, b)
    return common / (a.area + b.area - common)
