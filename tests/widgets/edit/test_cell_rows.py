"""The rows of the table of cells: which there are, in which order, and what they say."""

from dataclasses import replace

import numpy as np
import pytest
from corrected_cells import ids, texts
from qtpy.QtCore import Qt

from napari_centermask.core import review
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.history import Change, History
from napari_centermask.widgets.edit.cell_rows import COLUMNS, KEYS, CellModel

UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


def test_lists_what_is_shown_and_what_was_rejected(columns):
    model = CellModel(columns)
    wanted = {c.id for c in columns.result if columns.result.shows(c) or c.status == "rejected"}
    assert sorted(ids(model)) == sorted(wanted)
    assert len(wanted) < len(columns.result)


def test_begins_with_the_doubtful_and_leaves_the_judged_to_the_end(columns):
    model = CellModel(columns)
    queue = review.queue(columns)
    assert ids(model)[: len(queue)] == queue
    assert texts(model, "doubt")[len(queue) :] == [""] * (model.rowCount() - len(queue))


@pytest.mark.parametrize("key", [k for k in KEYS if k != "doubt"])
@pytest.mark.parametrize("order", [UP, DOWN])
def test_sorts_by_each_column_and_of_equals_by_id(columns, key, order):
    model = CellModel(columns)
    model.sort(KEYS.index(key), order)
    cells = {c.id: (columns.plane(columns.row(c.id)), c) for c in columns.result}
    value = {
        "id": lambda plane, c: c.id,
        "category": lambda plane, c: columns.result.categories[c.category],
        "status": lambda plane, c: ("predicted", "accepted", "corrected", "rejected").index(c.status),
        "source": lambda plane, c: c.source,
        "plane": lambda plane, c: plane,
        "score": lambda plane, c: np.float32(c.score),
        "mask_quality": lambda plane, c: np.float32(c.mask_quality),
        "area": lambda plane, c: c.area,
        "overlap": lambda plane, c: columns.data["overlap"][columns.row(c.id)],
    }[key]
    listed = [value(*cells[i]) for i in ids(model)]
    assert listed == sorted(listed, reverse=order == DOWN)
    for a, b in zip(ids(model), ids(model)[1:], strict=False):
        assert value(*cells[a]) != value(*cells[b]) or a < b


def test_filters_by_words_and_by_plane_and_keeps_its_rows_on_a_mistake(columns):
    model = CellModel(columns)
    model.set_filter("accepted", plane=(1,))
    assert set(texts(model, "status")) == {"accepted"}
    assert set(texts(model, "plane")) == {"1"}
    before = ids(model)
    with pytest.raises(BadSettings):
        model.set_filter("score<")
    assert ids(model) == before
    model.set_filter("", plane=(0,))
    assert set(texts(model, "plane")) == {"0"}


def test_shows_numbers_and_names(columns):
    model = CellModel(columns)
    cell = columns.cell(columns.row(ids(model)[0]))
    shown = {key: texts(model, key)[0] for key in KEYS}
    assert shown["id"] == str(cell.id)
    assert shown["score"] == f"{np.float32(cell.score):.2f}"
    assert shown["area"] == f"{cell.area:,}"
    assert shown["category"] == {1: "round", 2: "long"}[cell.category]
    assert shown["source"] == cell.source
    assert shown["overlap"].endswith("%")
    assert [model.headerData(n, Qt.Orientation.Horizontal) for n in range(len(COLUMNS))] == [c[1] for c in COLUMNS]


def test_an_edit_that_moves_nothing_redraws_its_rows_alone(columns, qtbot):
    model, history = CellModel(columns), History(columns.result)
    model.sort(KEYS.index("id"))
    cell = next(c for c in columns.result.plane((0,)) if c.status == "accepted")
    history.do("category", [Change((0,), cell.id, cell, replace(cell, category=2))])
    rows = [columns.update(e) for e in [history._done[-1]]][0]
    with qtbot.waitSignal(model.dataChanged) as drawn, qtbot.assertNotEmitted(model.modelReset):
        model.refresh(rows)
    assert drawn.args[0].row() == drawn.args[1].row() == model.place(cell.id)
    assert texts(model, "category")[model.place(cell.id)] == "long"


def test_deleted_and_new_cells_leave_and_come(columns):
    model, history = CellModel(columns), History(columns.result)

    def follow(edit):
        rows = columns.update(edit)
        columns.measure(rows)
        model.refresh(rows)

    history.listen(follow)
    gone = columns.result.get((0,), ids(model)[0]) or columns.result.get((1,), ids(model)[0])
    plane = columns.plane(columns.row(gone.id))
    n = model.rowCount()
    history.do("delete", [Change(plane, gone.id, gone, None)])
    assert model.rowCount() == n - 1
    assert model.place(gone.id) is None
    history.undo()
    assert ids(model)[0] == gone.id
