"""Tables of cells that are selected, and of rows that are clicked."""

import numpy as np
import pytest
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_centermask.widgets.parts.tables import ClickedTable, LinkedTable, TitledRows


class Numbers(QAbstractTableModel):
    """Cells 1 to n, one below another."""

    def __init__(self, n):
        super().__init__()
        self.ids = list(range(1, n + 1))

    def rowCount(self, parent=QModelIndex()):  # noqa: B008
        return 0 if parent.isValid() else len(self.ids)

    def columnCount(self, parent=QModelIndex()):  # noqa: B008
        return 0 if parent.isValid() else 2

    def data(self, index, role=Qt.ItemDataRole.DisplayRole):
        return str(self.ids[index.row()]) if role == Qt.ItemDataRole.DisplayRole else None

    def ids_at(self, places):
        return [self.ids[place] for place in places]

    def places_of(self, ids):
        return np.array([self.ids.index(id) for id in ids if id in self.ids], np.int64)


@pytest.fixture
def table(qtbot):
    made = LinkedTable(Numbers(2000))
    qtbot.addWidget(made)
    made.resize(200, 200)
    made.show()
    return made


def selected(table):
    return {index.row() + 1 for index in table.selectionModel().selectedRows()}


def test_a_selection_is_shown_in_whole_rows_without_being_picked(table):
    picked = []
    table.picked.connect(picked.append)
    some = [7, 3, 4, 5, 1000, 5000]
    table.show_selection(some)
    assert selected(table) == {3, 4, 5, 7, 1000}
    assert len(table.selectionModel().selectedIndexes()) == 10
    assert picked == []


def test_the_table_scrolls_to_the_first_cell_only_if_asked(table):
    table.show_selection([1500], scroll=False)
    assert table.verticalScrollBar().value() == 0
    table.show_selection([1500, 1])
    assert table.rowAt(0) < 1499 <= table.rowAt(table.viewport().height() - 1)


def test_the_cell_that_was_clicked_last_comes_first(table, qtbot):
    picked = []
    table.picked.connect(picked.append)
    for row, modifier in ((4, Qt.KeyboardModifier.NoModifier), (2, Qt.KeyboardModifier.ControlModifier)):
        place = table.visualRect(table.model().index(row, 0)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, place)
    assert picked == [[5], [3, 5]]


def test_a_click_names_its_row(qtbot):
    class Letters(TitledRows):
        def data(self, index, role=Qt.ItemDataRole.DisplayRole):
            return self.rows[index.row()] if role == Qt.ItemDataRole.DisplayRole else None

    rows = Letters()
    rows.titles, rows.rows = ("Letter",), ["a", "b"]
    table = ClickedTable(rows, "No letters yet.")
    qtbot.addWidget(table)
    table.show()
    picked = []
    table.picked.connect(picked.append)
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(rows.index(1, 0)).center())
    assert picked == [1]
    assert not table.selectionModel().hasSelection()
    assert rows.headerData(0, Qt.Orientation.Horizontal) == "Letter"
