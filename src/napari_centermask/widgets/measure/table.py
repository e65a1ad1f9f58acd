"""The table of measurements, in which cells are selected."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_centermask.widgets.measure.measurements import Measurements
from napari_centermask.widgets.measure.rows import MeasureModel
from napari_centermask.widgets.parts.empty import EmptyNote

_STYLE = """
QTableView { border: none; }
QTableView::item:selected { background-color: rgba(47, 111, 222, 150); color: white; }
QHeaderView::section { padding: 2px 4px; }
"""
_MARGIN = 26  # pixels beside a heading, for the arrow of the order
_LEAST, _TEXT = 58, 84  # pixels of a column


class MeasureTable(QTableView):
    """A view of a `MeasureModel` that leaves all keys to the canvas.

    Attributes
    ----------
    picked
        Emitted with the ids of the cells that were selected with the mouse.
    """

    picked = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self.cells = MeasureModel()
        self.setModel(self.cells)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setStyleSheet(_STYLE)
        for part in (self, self.viewport(), self.horizontalHeader(), self.verticalScrollBar()):
            part.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(22)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionsMovable(True)
        self.horizontalHeader().setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        EmptyNote(self, "A row for each cell: its size, shape, neighbours and intensities.")
        self._own = False
        self._selected: tuple[int, ...] = ()
        self.cells.layoutChanged.connect(lambda: self.show_selection(self._selected, scroll=False))
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)

    def show_measured(self, measured: Measurements) -> None:
        """Show other measurements; the selection is kept by id."""
        names = list(self.cells.names)
        self._own = True
        try:
            self.cells.set_measured(measured)
        finally:
            self._own = False
        if self.cells.names != names:
            self._fit_columns()
        self.show_selection(self._selected, scroll=False)

    def _fit_columns(self) -> None:
        metrics = self.horizontalHeader().fontMetrics()
        for column, name in enumerate(self.cells.names):
            heading = self.cells.headerData(column, Qt.Orientation.Horizontal)
            least = _TEXT if name in ("category", "status", "source") else _LEAST
            self.setColumnWidth(column, max(least, metrics.horizontalAdvance(heading) + _MARGIN))

    def show_selection(self, ids: Iterable[int], *, scroll: bool = True) -> None:
        """Select these cells, without `picked`."""
        self._selected = tuple(ids)
        places, chosen = self.cells.places_of(self._selected).tolist(), QItemSelection()
        last = len(self.cells.names) - 1
        for first, end in _runs(places):
            chosen.select(self.cells.index(first, 0), self.cells.index(end, last))
        flags = QItemSelectionModel.SelectionFlag
        self._own = True
        try:
            self.selectionModel().select(chosen, flags.ClearAndSelect)
            if places and scroll:
                self.scrollTo(self.cells.index(places[0], 0), QAbstractItemView.ScrollHint.EnsureVisible)
        finally:
            self._own = False

    def _on_selection_changed(self, *_: object) -> None:
        if self._own:
            return
        places = [index.row() for index in self.selectionModel().selectedRows()]
        current = self.selectionModel().currentIndex().row()
        places.sort(key=lambda place: (place != current, place))
        self._selected = tuple(self.cells.ids_at(places))
        self.picked.emit(list(self._selected))


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Places in rising order as ranges, first and last: selecting thousands of rows one by one takes seconds."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = runs[-1][0], place
        else:
            runs.append((place, place))
    return runs
