"""The table of cells, synchronised with the canvas, which keeps all keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from napari_centermask.widgets.edit.cell_rows import BAR, COLUMNS, KEYS, CellModel
from napari_centermask.widgets.parts.tables import LinkedTable
from napari_centermask.widgets.parts.theme import readable

if TYPE_CHECKING:
    from napari_centermask.core.columns import Columns


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


class CellTable(LinkedTable):
    """A view of a `CellModel`."""

    def __init__(self) -> None:
        self.cells = CellModel()
        super().__init__(self.cells, sorted_by=KEYS.index("doubt"), order=Qt.SortOrder.DescendingOrder)
        self.setItemDelegate(_BarDelegate(self))
        for number, (_, _, width, _) in enumerate(COLUMNS):
            self.setColumnWidth(number, width)
        self.cells.modelReset.connect(self._show_selection_again)

    def set_columns(self, columns: Columns | None) -> None:
        """Show these cells."""
        self._selected = ()
        self.cells.set_columns(columns)
        stack = columns is not None and bool(columns.result.leading)
        self.setColumnHidden(KEYS.index("plane"), not stack)

    def _go_to(self, place: int, *, scroll: bool) -> None:
        """The first cell also becomes the current one."""
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(self.cells.index(place, 0), flags.NoUpdate)
        super()._go_to(place, scroll=scroll)
