"""Cells by category and viability, a row for each frame or image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableView

from napari_centermask.widgets.parts.empty import EmptyNote


def percent(value: Any) -> str:
    """ "79.4 %", or a dash where there is nothing to divide by."""
    return f"{float(value):.1f} %" if np.isfinite(value) else "–"


class CountsTable(QTableView):
    """A row for each frame or image: its cells by category, and its viability.

    Parameters
    ----------
    missing
        What an empty table says.

    Attributes
    ----------
    picked
        Emitted with the number of the clicked row.
    """

    picked = Signal(int)

    def __init__(self, missing: str) -> None:
        super().__init__()
        self.counts = CountsModel()
        self.setModel(self.counts)
        EmptyNote(self, missing)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.clicked.connect(lambda index: self.picked.emit(index.row()))


class CountsModel(QAbstractTableModel):
    """The rows of `CountsTable`, made when they are shown."""

    def __init__(self) -> None:
        super().__init__()
        self._heading: tuple[str, ...] = ()
        self._lines: Sequence[str] = ()
        self.numbers, self.viability = np.zeros((0, 0), int), np.zeros(0)

    def show_counts(
        self, heading: str, lines: Sequence[str], kinds: Sequence[str], numbers: np.ndarray, viability: np.ndarray
    ) -> None:
        """Show (n, K) cells and (n,) percentages in rows with these names."""
        titles = (heading, *kinds, "Viability")
        if titles == self._heading and list(lines) == list(self._lines):
            self.numbers, self.viability = numbers, viability
            if len(lines):
                self.dataChanged.emit(self.index(0, 1), self.index(len(lines) - 1, len(titles) - 1))
            return
        self.beginResetModel()
        self._heading, self._lines, self.numbers, self.viability = titles, lines, numbers, viability
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Lines."""
        return 0 if parent is not None and parent.isValid() else len(self._lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Name, categories, viability."""
        return 0 if parent is not None and parent.isValid() else len(self._heading)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Titles of the columns."""
        wanted = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return self._heading[section] if wanted and section < len(self._heading) else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts; numbers are aligned to the right."""
        line, column = index.row(), index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole and column:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if column == 0:
            return self._lines[line]
        if column <= self.numbers.shape[1]:
            return f"{int(self.numbers[line, column - 1]):,}"
        return percent(self.viability[line])
