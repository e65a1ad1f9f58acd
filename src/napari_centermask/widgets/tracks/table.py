"""The table of tracks, or of 3-D cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableView

from napari_centermask.widgets.parts.empty import EmptyNote

Row = tuple[str, ...]


class TrackTable(QTableView):
    """A row for each track or 3-D cell.

    Attributes
    ----------
    picked
        Emitted with the number of the clicked row.
    missing
        What would fill an empty table.
    """

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.missing = TrackRows(), ""
        self.setModel(self.rows)
        EmptyNote(self, self._what_is_missing)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.setMinimumHeight(90)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.clicked.connect(lambda index: self.picked.emit(index.row()))

    def _what_is_missing(self) -> str:
        return self.missing


class TrackRows(QAbstractTableModel):
    """The texts of the table."""

    def __init__(self) -> None:
        super().__init__()
        self._titles: Row = ()
        self._rows: Sequence[Row] = ()

    def show_rows(self, titles: Row, rows: Sequence[Row]) -> None:
        """Show other rows."""
        if rows and (titles, list(rows)) == (self._titles, list(self._rows)):
            return
        self.beginResetModel()
        self._titles, self._rows = titles, list(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Tracks."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Columns."""
        return 0 if parent is not None and parent.isValid() else len(self._titles)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Titles of the columns."""
        wanted = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return self._titles[section] if wanted and section < len(self._titles) else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, aligned to the right."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return self._rows[index.row()][index.column()] if role == Qt.ItemDataRole.DisplayRole else None
