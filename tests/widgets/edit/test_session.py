"""Correcting cells: one history, layers that follow every edit, one image at a time."""

from __future__ import annotations

import numpy as np
import pytest
from corrected_cells import correct, disc, paint, truth, views_agree

from napari_centermask.core.compose import Views
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instances
from napari_centermask.widgets.edit.correction import edit_session_of

pytestmark = pytest.mark.gui


def test_random_edits_keep_layers_and_result_in_step(bare_viewer):
    edits = correct(bare_viewer)
    rng = np.random.default_rng(3)
    start = list(edits.result.plane(()))
    tools = [
        "grow",
        "shrink",
        "fill_holes",
        "smooth",
        "raise",
        "lower",
        "split_auto",
        "delete",
        "paint",
        "merge",
    ]
    for _ in range(60):
        ids = edits.result.plane(()).ids
        if not ids:
            edits.undo()
            continue
        edits.select(rng.permutation(ids)[: rng.integers(1, 3)])
        tool = rng.choice(tools)
        if tool == "paint":
            paint(edits, rng.integers((0, 0), (96, 128), (2, 2)), label=int(rng.integers(2)))
        else:
            edits.run_tool(tool)
        if rng.random() < 0.3:
            edits.undo()
        edits.flush()
        if edits.cell is not None:
            assert np.array_equal(edits.active.layer.data == 1, truth(edits, edits.selected[0]))
        assert views_agree(edits)
    while edits.undo():
        pass
    assert all(a is edits.result.get((), a.id) for a in start)
    assert len(edits.result) == len(start)
    assert views_agree(edits)


@pytest.mark.parametrize("colours", ["cell", "category"])
def test_ids_beyond_16_bits_are_drawn_in_parts_too(make_napari_viewer, qtbot, colours):
    bare_viewer = make_napari_viewer(show=True)
    edits = correct(bare_viewer)
    edits.result.reserve(70_000)
    edits.shown.layers.set_colours(colours)
    made = edits.add(np.ones((12, 12), bool), (70, 20))
    assert made.id > 70_000
    edits.session.settle()
    qtbot.wait(200)
    cells = edits.shown.layers.cells
    refreshed = []
    cells.events.set_data.connect(refreshed.append)
    edits.select(())
    edits.select((made.id,))
    edits.run_tool("grow")
    edits.select((1,))
    assert cells.data.dtype.itemsize == 4
    assert not refreshed
    assert views_agree(edits)
    assert np.array_equal(cells._slice.image.view, cells._raw_to_displayed(cells.data))
    edits.session.settle()


def test_predictions_leave_corrected_cells_and_can_be_undone(bare_viewer):
    edits = correct(bare_viewer)
    edits.select((1,))
    edits.run_tool("accept")
    session = edits.session
    new = Instances((96, 128), [disc(30, 31), disc(80, 80)])
    session.put(edits.shown, (), new)
    assert sorted((i.status, i.y0) for i in edits.result.plane(())) == [("accepted", 20), ("predicted", 70)]
    assert views_agree(edits)
    edits.undo()
    assert sorted(edits.result.plane(()).ids) == [1, 2, 3, 4]
    assert views_agree(edits)
    assert edits_are_of(edits, session)


def edits_are_of(edits, session):
    return edit_session_of(session, edits.source) is edits


def test_the_table_follows_shortly_after_edits(bare_viewer, qtbot):
    edits = correct(bare_viewer)
    seen = []
    edits.session.settled.connect(seen.append)
    edits.select((4,))
    edits.run_tool("delete")
    qtbot.waitUntil(lambda: bool(seen), timeout=5_000)
    assert list(edits.shown.layers.cells.features["id"]) == [1, 2, 3]


def test_one_image_is_corrected_at_a_time(bare_viewer):
    first = correct(bare_viewer)
    second = correct(bare_viewer)
    first.select((1,))
    second.select((2,))
    assert first.selected == ()
    assert first.active.layer not in bare_viewer.layers
    assert second.session.editing is second
    bare_viewer.layers.remove(second.active.layer)
    assert second.session.editing is None
    assert second.selected == ()
    second.select((1,))
    bare_viewer.layers.remove(second.source)
    assert second.session.editing is None


def test_changes_that_do_not_fit_are_refused_whole(bare_viewer):
    edits = correct(bare_viewer)
    cell = edits.result.get((), 1)
    with pytest.raises(ValueError, match="not as the edit"):
        edits.do("wrong", [Change((), 2, cell, None)])
    assert views_agree(edits)


def test_many_changes_at_once_are_composed_after_the_edit_in_parts_that_never_hold_the_event_loop(
    bare_viewer, qtbot, monkeypatch
):
    edits = correct(bare_viewer)
    session, layers, result = edits.session, edits.shown.layers, edits.result
    composed, compose = [], Views._compose
    monkeypatch.setattr(Views, "_compose", lambda self, box: (composed.append(box), compose(self, box))[1])
    monkeypatch.setattr("napari_centermask.widgets.viewer.upkeep._TURN_S", 0.0)
    many = [disc(5 + 2 * (k % 40), 5 + 3 * (k % 38), 3, id=k) for k in range(10, 500)]
    edits.do("run", [Change((), cell.id, None, cell) for cell in many])
    assert composed == []
    assert layers.behind == {()}
    turns, write = [], type(layers)._write
    monkeypatch.setattr(type(layers), "_write", lambda self, *args: (turns.append(1), write(self, *args)))
    edits.do("delete", [Change((), 11, many[1], None)])  # an edit meanwhile
    qtbot.waitUntil(lambda: not layers.behind)
    assert len(turns) > 2
    assert layers.cells.features.shape[0] <= len(result)
    assert views_agree(edits)
    edits.history.undo()
    edits.history.undo()
    assert layers.at((), 5, 5) == []  # whoever asks meanwhile has the truth
    session.compose_all()
    assert views_agree(edits)
