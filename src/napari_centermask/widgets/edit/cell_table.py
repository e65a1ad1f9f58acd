"""The table of cells, synchronised with the canvas, which keeps all keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_centermask.widgets.edit.cell_rows import BAR, COLUMNS, KEYS, CellModel
from napari_centermask.widgets.parts.theme import readable

if TYPE_CHECKING:
    from napari_centermask.core.columns import Columns


_STYLE = """
QTableView { border: none; }
QTableView::item:selected { background-color: rgba(47, 111, 222, 150); color: white; }
QHeaderView::section { padding: 2px 3px; }
"""


class _BarDelegate(QStyledItemDelegate):
    """Draws a thin bar under numbers between 0 and 1."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        colour = index.data(Qt.ItemDataRole.ForegroundRole)
        if colour is not None:
            option.palette.setColor(QPalette.ColorRole.Text, readable(colour, cast(QWidget, self.parent()).palette()))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        bar = index.data(BAR)
        if bar is not None:
            value, colour = bar
            room = QRectF(option.rect).adjusted(5, option.rect.height() - 4, -5, -2)
            painter.fillRect(room, QColor(128, 128, 128, 50))
            room.setWidth(room.width() * min(max(value, 0.0), 1.0))
            painter.fillRect(room, colour)


class CellTable(QTableView):
    """A view of a `CellModel` that leaves all keys to the canvas.

    Attributes
    ----------
    picked
        Emitted with the ids that the user selected with the mouse; the one clicked last comes first.
    """

    picked = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self.cells = CellModel()
        self.setModel(self.cells)
        self.setItemDelegate(_BarDelegate(self))
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
        self._set_up_headers()
        self.setSortingEnabled(True)
        self._own = False
        self._selected: tuple[int, ...] = ()
        self.cells.modelReset.connect(lambda: self.show_selection(self._selected, scroll=False))
        self.selectionModel().selectionChanged.connect(self._on_selection_changed)

    def _set_up_headers(self) -> None:
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(22)
        columns.setHighlightSections(False)
        columns.setSortIndicator(KEYS.index("doubt"), Qt.SortOrder.DescendingOrder)
        columns.setSectionsMovable(True)
        for number, (_, _, width, _) in enumerate(COLUMNS):
            self.setColumnWidth(number, width)

    def set_columns(self, columns: Columns | None) -> None:
        """Show these cells."""
        self._selected = ()
        self.cells.set_columns(columns)
        stack = columns is not None and bool(columns.result.leading)
        self.setColumnHidden(KEYS.index("plane"), not stack)

    def show_selection(self, ids: Iterable[int], *, scroll: bool = True) -> None:
        """Select these cells, the first as the current one, without `picked`."""
        self._selected = tuple(ids)
        places = [p for p in map(self.cells.place, self._selected) if p is not None]
        chosen = QItemSelection()
        for place in places:
            at = self.cells.index(place, 0)
            chosen.select(at, at)
        flags = QItemSelectionModel.SelectionFlag
        self._own = True
        try:
            model = self.selectionModel()
            model.select(chosen, flags.ClearAndSelect | flags.Rows)
            if places:
                model.setCurrentIndex(self.cells.index(places[0], 0), flags.NoUpdate)
                if scroll:
                    self.scrollTo(self.cells.index(places[0], 0), QAbstractItemView.ScrollHint.EnsureVisible)
        finally:
            self._own = False

    def _on_selection_changed(self, *_: object) -> None:
        if self._own:
            return
        places = [index.row() for index in self.selectionModel().selectedRows()]
        current = self.selectionModel().currentIndex().row()
        places.sort(key=lambda place: (place != current, place))
        self._selected = tuple(map(self.cells.id, places))
        self.picked.emit(list(self._selected))
