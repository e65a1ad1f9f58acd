"""Cells by category and viability, a row for each frame or image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QModelIndex, Qt

from napari_centermask.widgets.parts.tables import ClickedTable, TitledRows


def percent(value: Any) -> str:
    """ "79.4 %", or a dash where there is nothing to divide by."""
    return f"{float(value):.1f} %" if np.isfinite(value) else "–"


class CountsTable(ClickedTable):
    """A row for each frame or image: its cells by category, and its viability."""

    def __init__(self, missing: str) -> None:
        self.counts = CountsModel()
        super().__init__(self.counts, missing)


class CountsModel(TitledRows):
    """The rows of `CountsTable`, made when they are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers, self.viability = np.zeros((0, 0), int), np.zeros(0)

    def show_counts(
        self, heading: str, lines: Sequence[str], kinds: Sequence[str], numbers: np.ndarray, viability: np.ndarray
    ) -> None:
        """Show (n, K) cells and (n,) percentages in rows with these names."""
        titles = (heading, *kinds, "Viability")
        if titles == self.titles and list(lines) == list(self.rows):
            self.numbers, self.viability = numbers, viability
            if len(lines):
                self.dataChanged.emit(self.index(0, 1), self.index(len(lines) - 1, len(titles) - 1))
            return
        self.beginResetModel()
        self.titles, self.rows, self.numbers, self.viability = titles, lines, numbers, viability
        self.endResetModel()

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts; numbers are aligned to the right."""
        line, column = index.row(), index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole and column:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if column == 0:
            return self.rows[line]
        if column <= self.numbers.shape[1]:
            return f"{int(self.numbers[line, column - 1]):,}"
        return percent(self.viability[line])
