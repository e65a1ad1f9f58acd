"""Tables of the docks, which leave all keys to the canvas: of cells that are selected, and of rows that are clicked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QItemSelection, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_centermask.widgets.parts.empty import EmptyNote

_STYLE = """
QTableView { border: none; }
QTableView::item:selected { background-color: rgba(47, 111, 222, 150); color: white; }
QHeaderView::section { padding: 2px 4px; }
"""
_ROW = 22  # pixels: the height of a row


class CellRows(Protocol):
    """What the model of a `LinkedTable` knows about its rows."""

    def ids_at(self, places: Iterable[int]) -> list[int]:
        """The cells at places of the table."""

    def places_of(self, ids: Iterable[int]) -> np.ndarray:
        """(k,) int64, where cells are in the table, without those that are not listed; the table scrolls to the first."""


class LinkedTable(QTableView):
    """A sorted table of cells, whose selection is also that of the canvas.

    Parameters
    ----------
    cells
        A model that is also `CellRows`.
    sorted_by
        The column by which the cells are sorted at first.

    Attributes
    ----------
    picked
        Emitted with the ids of the cells that were selected with the mouse; the one clicked last comes first.
    """

    picked = Signal(list)

    def __init__(
        self, cells: QAbstractTableModel, *, sorted_by: int = 0, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        super().__init__()
        cells.setParent(self)  # or Python deletes it at its end before the dock hears that the project is closed
        self.setModel(cells)
        self._rows = cast(CellRows, cells)
        self._own = False
        self._selected: tuple[int, ...] = ()
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setStyleSheet(_STYLE)
        for part in (self, self.viewport(), self.horizontalHeader(), self.verticalScrollBar()):
            part.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW)
        columns.setHighlightSections(False)
        columns.setSectionsMovable(True)
        columns.setSortIndicator(sorted_by, order)
        self.setSortingEnabled(True)
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)

    def show_selection(self, ids: Iterable[int], *, scroll: bool = True) -> None:
        """Select these cells, without `picked`."""
        self._selected = tuple(ids)
        places, chosen = self._rows.places_of(self._selected).tolist(), QItemSelection()
        for first, last in _runs(sorted(places)):
            chosen.select(self.model().index(first, 0), self.model().index(last, 0))
        flags = QItemSelectionModel.SelectionFlag
        self._own = True
        try:
            self.selectionModel().select(chosen, flags.ClearAndSelect | flags.Rows)
            if places:
                self._go_to(places[0], scroll=scroll)
        finally:
            self._own = False

    def _go_to(self, place: int, *, scroll: bool) -> None:
        """The first of the selected cells is at this place."""
        if scroll:
            self.scrollTo(self.model().index(place, 0), QAbstractItemView.ScrollHint.EnsureVisible)

    def _show_selection_again(self) -> None:
        """The rows are others, or in another order."""
        self.show_selection(self._selected, scroll=False)

    def _on_selection_changed(self, *_: object) -> None:
        if self._own:
            return
        places = [index.row() for index in self.selectionModel().selectedRows()]
        current = self.selectionModel().currentIndex().row()
        places.sort(key=lambda place: (place != current, place))
        self._selected = tuple(self._rows.ids_at(places))
        self.picked.emit(list(self._selected))


def _runs(places: Iterable[int]) -> list[tuple[int, int]]:
    """Places in rising order as ranges, first and last: selecting thousands of rows one by one takes seconds."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = runs[-1][0], place
        else:
            runs.append((place, place))
    return runs


class TitledRows(QAbstractTableModel):
    """Rows under titles, which a derived class shows.

    Attributes
    ----------
    titles
        Of the columns.
    rows
        What the rows are made of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.titles: tuple[str, ...] = ()
        self.rows: Sequence[Any] = ()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Rows."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Columns."""
        return 0 if parent is not None and parent.isValid() else len(self.titles)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Titles of the columns."""
        wanted = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return self.titles[section] if wanted and section < len(self.titles) else None


class ClickedTable(QTableView):
    """A table as wide as the dock, in which nothing is selected, but rows are clicked.

    Parameters
    ----------
    missing
        What an empty table says, or a method that says it, as of `EmptyNote`.

    Attributes
    ----------
    picked
        Emitted with the number of the clicked row.
    """

    picked = Signal(int)

    def __init__(self, rows: TitledRows, missing: str | Callable[[], str]) -> None:
        super().__init__()
        rows.setParent(self)  # as in `LinkedTable`
        self.setModel(rows)
        EmptyNote(self, missing)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.clicked.connect(lambda index: self.picked.emit(index.row()))
