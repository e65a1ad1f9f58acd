"""The rows of the table of measurements: sorted with numpy, and made into text only when they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_centermask.widgets.measure.measurements import Measurements, title

_NUMBER = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class MeasureModel(QAbstractTableModel):
    """A row for each cell, in the order of one column.

    Attributes
    ----------
    rows
        (n,) int64, the row of the measurements at each place of the table.
    """

    def __init__(self) -> None:
        super().__init__()
        self.measured = Measurements({})
        self.names: list[str] = []
        self.rows = np.zeros(0, np.int64)
        self._key, self._falling = "id", False

    def set_measured(self, measured: Measurements) -> None:
        """Show other measurements; the order stays if they have its column."""
        self.beginResetModel()
        self.measured, self.names = measured, measured.listed
        self.rows = self._ordered()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; what is undefined comes last, and of equals the smaller id first."""
        if not 0 <= column < len(self.names):
            return
        self._key, self._falling = self.names[column], order == Qt.SortOrder.DescendingOrder
        self.layoutAboutToBeChanged.emit()
        self.rows = self._ordered()
        self.layoutChanged.emit()

    def _ordered(self) -> np.ndarray:
        ids = self.measured.ids
        values = self.measured.columns.get(self._key, ids)
        if values.dtype == object:
            values = np.unique(values.astype(str), return_inverse=True)[1]
        values = values.astype(float)
        return np.lexsort((ids, -values if self._falling else values, np.isnan(values)))

    def ids_at(self, places: Iterable[int]) -> list[int]:
        """The cells at places of the table."""
        return self.measured.ids[self.rows[list(places)]].tolist()

    def places_of(self, ids: Iterable[int]) -> np.ndarray:
        """(k,) int64, where cells are in the table, in its order."""
        return np.flatnonzero(np.isin(self.rows, self.measured.rows_of(ids)))

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of cells."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of columns."""
        return 0 if parent.isValid() else len(self.names)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Headings with units; the names in files as tooltips."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.names):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return title(self.names[section])
        return f"In files: {self.names[section]}" if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts; numbers have four digits and are aligned to the right."""
        values = self.measured.columns[self.names[index.column()]]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return None if values.dtype == object else _NUMBER
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = values[self.rows[index.row()]]
        if values.dtype == object:
            return value
        if values.dtype.kind == "i":
            return str(value)
        return "" if np.isnan(value) else shortened(float(value))


def shortened(value: float) -> str:
    """A number with four digits, and all of those before the point: "0.1235", "12.35", "123,457"."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
