"""The table of cells: what a person clicks, and how fast it is."""

import time
from dataclasses import replace

import numpy as np
from corrected_cells import ids
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_centermask.core.columns import Columns
from napari_centermask.core.history import Change, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.cell_rows import KEYS
from napari_centermask.widgets.edit.cell_table import CellTable

UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


def test_what_the_user_clicks_is_picked_and_what_is_shown_is_not(columns, qtbot):
    table = CellTable()
    qtbot.addWidget(table)
    table.set_columns(columns)
    table.resize(600, 400)
    table.show()
    picked = []
    table.picked.connect(picked.append)
    order = ids(table.cells)
    _click(table, 2)
    _click(table, 4, Qt.KeyboardModifier.ControlModifier)
    assert picked == [[order[2]], [order[4], order[2]]]
    table.show_selection([order[7], order[1]])
    assert len(picked) == 2
    assert sorted(i.row() for i in table.selectionModel().selectedRows()) == [1, 7]
    table.cells.sort(KEYS.index("id"))
    assert len(picked) == 2
    assert {table.cells.id(i.row()) for i in table.selectionModel().selectedRows()} == {order[7], order[1]}


def _click(table, place, modifier=Qt.KeyboardModifier.NoModifier):
    at = table.visualRect(table.cells.index(place, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, at)


def test_the_table_and_its_parts_take_no_focus(columns, qtbot):
    table = CellTable()
    qtbot.addWidget(table)
    table.set_columns(columns)
    table.show()
    _click(table, 1)
    assert not table.hasFocus()
    for part in (table, table.viewport(), table.horizontalHeader()):
        assert part.focusPolicy() == Qt.FocusPolicy.NoFocus


def test_fifty_thousand_rows_are_fluid(qtbot):
    shape = (16384, 16384)
    mask = np.ones((8, 8), bool)
    rng = np.random.default_rng(0)
    places, scores = rng.integers(0, 16000, (50_000, 2)).tolist(), rng.random(50_000).tolist()
    cells = Instances(shape)
    for (y, x), score in zip(places, scores, strict=True):
        cells.add(Instance(0, y, x, mask, score=score))
    result = Result(shape)
    result.put((), cells, keep_ids=True)
    columns = Columns(result)
    table = CellTable()
    qtbot.addWidget(table)
    table.resize(500, 700)
    table.show()
    table.set_columns(columns)
    cell = result.get((), 25_000)
    history = History(result)
    history.listen(lambda edit: table.cells.refresh(columns.update(edit)))
    actions = {
        "sort": lambda: table.sortByColumn(KEYS.index("score"), UP),
        "filter": lambda: table.cells.set_filter("score<0.5"),
        "select": lambda: table.show_selection([25_000]),
        "accept": lambda: history.do("accept", [Change((), 25_000, cell, replace(cell, status="accepted"))]),
        "draw": table.grab,
    }
    cpu_ms = {}
    for name, act in actions.items():
        begin = time.process_time()
        act()
        cpu_ms[name] = 1000 * (time.process_time() - begin)
    assert max(cpu_ms.values()) < 200, cpu_ms
