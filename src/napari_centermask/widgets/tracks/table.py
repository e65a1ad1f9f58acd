"""The table of tracks, or of 3-D cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QModelIndex, Qt

from napari_centermask.widgets.parts.tables import ClickedTable, TitledRows

Row = tuple[str, ...]


class TrackTable(ClickedTable):
    """A row for each track or 3-D cell.

    Attributes
    ----------
    missing
        What would fill an empty table.
    """

    def __init__(self) -> None:
        self.rows, self.missing = TrackRows(), ""
        super().__init__(self.rows, self._what_is_missing)
        self.setMinimumHeight(90)

    def _what_is_missing(self) -> str:
        return self.missing


class TrackRows(TitledRows):
    """The texts of the table."""

    def show_rows(self, titles: Row, rows: Sequence[Row]) -> None:
        """Show other rows."""
        if rows and (titles, list(rows)) == (self.titles, list(self.rows)):
            return
        self.beginResetModel()
        self.titles, self.rows = titles, list(rows)
        self.endResetModel()

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, aligned to the right."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return self.rows[index.row()][index.column()] if role == Qt.ItemDataRole.DisplayRole else None
