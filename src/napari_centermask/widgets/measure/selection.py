"""One selection of cells for the table, the plots and the canvas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from psygnal import Signal

from napari_centermask.widgets.viewer.view import current_index
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.edit.session import EditSession

MOST = 300
"""Cells that are marked on the canvas, which draws the rim of each."""


class View(Protocol):
    """What shows a selection and lets cells be selected."""

    picked: Any

    def show_selection(self, ids: Iterable[int], /) -> None: ...


class LinkedSelection:
    """The cells that are selected in any of the views or on the canvas are selected in all of them.

    The views have cells of all planes of a stack, the canvas those of the plane that is shown: going to another plane keeps the
    selection, and marks its cells there.

    Attributes
    ----------
    changed
        Emitted when other cells are selected.
    ids
        The selected cells.
    """

    changed = Signal()

    def __init__(self, views: Sequence[View]) -> None:
        self._views = views
        self._edits: EditSession | None = None
        self.ids: tuple[int, ...] = ()
        self._own = False
        self._links, self._cell_links = Connections(), Connections()
        for view in views:
            self._links.add(view.picked, self.pick)

    def end(self) -> None:
        """The dock was closed."""
        self._links.end()
        self._cell_links.end()

    def follow(self, edits: EditSession | None) -> None:
        """Select cells of another image, on its canvas."""
        self._cell_links.end()
        self._edits = edits
        if edits is not None:
            self._cell_links.add(edits.selection_changed, self._on_canvas)
            self._cell_links.add(edits.plane_changed, self._on_plane)
        self._set(() if edits is None else edits.selected)

    def pick(self, ids: Iterable[int]) -> None:
        """Select cells everywhere; the canvas goes to the plane of the first one if none is in view."""
        self._set(tuple(ids))
        self._mark()

    def show(self) -> None:
        """Show the selection again, for instance in new rows."""
        for view in self._views:
            view.show_selection(self.ids)

    def _set(self, ids: tuple[int, ...]) -> None:
        self.ids = ids
        self.show()
        self.changed.emit()

    def _mark(self) -> None:
        edits = self._edits
        if edits is None or edits.source is None:
            return
        self._own = True
        try:
            edits.follow_view()  # nobody has until the image is corrected
            here = tuple(i for i in self.ids if edits.result.get(edits.current_plane, i) is not None)
            edits.select((here or self.ids)[:MOST])
        finally:
            self._own = False

    def _on_canvas(self, ids: tuple[int, ...]) -> None:
        if self._own or (not ids and self._leaves_plane()):
            return
        self._set(ids)

    def _leaves_plane(self) -> bool:
        """Whether the canvas goes to another plane, which selects nothing there."""
        edits = self._edits
        if edits is None or edits.source is None:
            return False
        return current_index(edits.session.viewer, edits.source, edits.planes) != edits.current_plane

    def _on_plane(self, plane: Index) -> None:
        """Mark the selected cells of another plane."""
        edits = self._edits
        if edits is not None and not self._own and any(edits.result.get(plane, i) is not None for i in self.ids):
            self._mark()
