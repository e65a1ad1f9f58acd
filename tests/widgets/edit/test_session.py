"""Correcting cells: one history, layers that follow it, and a layer in which one cell is painted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.compose import Views
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.gui


def disc(y, x, radius=10, **fields):
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return Instance.from_mask(np.hypot(yy, xx) <= radius, (y - radius, x - radius), **fields)


def crowd(shape=(96, 128)):
    """Three overlapping discs, and one alone."""
    cells = [disc(30, 30), disc(30, 42), disc(42, 36), disc(70, 100)]
    return Instances(shape, cells)


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    yield viewer
    session_of(viewer).settle()


def correct(viewer, *, leading=(), channels=0, place=None, planes=None):
    """An image with the crowd in the given planes, and its correction."""
    shape = (*leading, *((channels,) if channels else ()), 96, 128)
    source = viewer.add_image(np.zeros(shape, np.uint8), name="image", **(place or {}))
    arrays = ImagePlanes.of(source, channel_axis=len(leading) if channels else None)
    result = Result((96, 128), leading=leading)
    for index in planes if planes is not None else [(0,) * len(leading)]:
        result.put(index, crowd())
    session_of(viewer).attach(source, arrays, result)
    return edit_session_of(session_of(viewer), source)


def views_agree(edits):
    """The layers of every plane show what a full composition of the result shows; the lifted cell is left out."""
    edits.session.compose_all()
    layers = edits.shown.layers
    for index in np.ndindex(*edits.result.leading):
        active = edits.selected[0] if edits.selected and index == edits.current_plane else None
        fresh = Views(edits.result.visible(index), active=active)
        expected = fresh.ids[fresh.top]
        expected[expected == active] = 0
        if not np.array_equal(layers._cells[index], expected):
            return False
        if not np.array_equal(layers._outlines[index], fresh.outlines):
            return False
    return True


def paint(edits, mask_or_points, label=1):
    """Paint as the brush does: by napari's own method."""
    for y, x in mask_or_points:
        edits.active.layer.paint((y, x), label)


def test_selecting_lifts_a_cell_and_deselecting_puts_it_back(viewer):
    edits = correct(viewer)
    seen = []
    edits.selection_changed.connect(seen.append)
    edits.select((2,))
    layer = edits.active.layer
    assert layer in viewer.layers
    assert viewer.layers.selection.active is layer
    assert np.array_equal(layer.data == 1, truth(edits, 2))
    assert views_agree(edits)
    assert 2 not in edits.shown.layers.cells.data
    edits.select((1, 3))
    assert np.array_equal(layer.data == 1, truth(edits, 1))
    assert (layer.data == 2).any()
    assert views_agree(edits)
    edits.select(())
    assert not layer.data.any()
    assert views_agree(edits)
    assert seen == [(2,), (1, 3), ()]


def truth(edits, id):
    full = np.zeros(edits.result.shape, bool)
    cell = edits.result.get(edits.current_plane, id)
    y0, x0, y1, x1 = cell.box
    full[y0:y1, x0:x1] = cell.mask
    return full


def test_a_stroke_changes_the_active_cell_alone_and_undo_restores_every_pixel(viewer, qtbot):
    edits = correct(viewer)
    before = {i.id: i for i in edits.result.plane(())}
    edits.select((1,))
    edits.active.layer.brush_size = 6
    paint(edits, [(30, 44), (30, 48)])
    edits.flush()
    after = edits.result.get((), 1)
    assert after.area > before[1].area
    assert after.status == "corrected"
    assert all(edits.result.get((), k) is before[k] for k in (2, 3, 4))
    assert edits.history.undo_name == "painting of cell 1"
    assert views_agree(edits)
    edits.undo()
    assert edits.result.get((), 1) is before[1]
    assert np.array_equal(edits.active.layer.data == 1, truth(edits, 1))
    assert views_agree(edits)
    edits.redo()
    assert edits.result.get((), 1).equals(after)
    assert np.array_equal(edits.active.layer.data == 1, truth(edits, 1))
    assert views_agree(edits)


def test_painting_is_taken_over_by_itself_after_the_stroke(viewer, qtbot):
    edits = correct(viewer)
    edits.select((4,))
    paint(edits, [(70, 112)])
    qtbot.waitUntil(lambda: edits.history.undo_name == "painting of cell 4", timeout=5_000)


def test_painting_with_nothing_selected_makes_a_cell(viewer):
    edits = correct(viewer)
    edits.activate()
    edits.active.layer.brush_size = 8
    paint(edits, [(80, 20)])
    edits.flush()
    assert edits.selected == (5,)
    assert edits.cell.source == "manual"
    paint(edits, [(80, 26)])
    edits.flush()
    assert len(edits.result) == 5
    edits.undo()
    edits.undo()
    assert edits.selected == ()
    assert not edits.active.layer.data.any()
    assert len(edits.result) == 4
    assert views_agree(edits)


def test_erasing_everything_deletes_the_cell(viewer):
    edits = correct(viewer)
    edits.select((4,))
    edits.active.layer.brush_size = 60
    paint(edits, [(70, 100)], label=0)
    edits.flush()
    assert edits.result.get((), 4) is None
    assert edits.selected == ()
    edits.undo()
    assert edits.result.get((), 4) is not None
    assert views_agree(edits)


def test_write_modes_decide_about_the_pixels_of_others(viewer):
    edits = correct(viewer)
    for mode, shared, neighbour in (("overlap", True, False), ("take over", False, True), ("keep out", False, False)):
        edits.mode = mode
        edits.select((4,))
        before = edits.result.get((), 2).area
        edits.active.layer.brush_size = 6
        paint(edits, [(30, 50), (30, 51)])
        edits.flush()
        common = truth(edits, 4) & truth(edits, 2)
        assert common.any() == shared
        assert (edits.result.get((), 2).area < before) == neighbour
        assert np.array_equal(edits.active.layer.data == 1, truth(edits, 4))
        edits.undo()
        assert views_agree(edits)


def test_a_bucket_beside_the_cell_is_taken_back(viewer, notices):
    edits = correct(viewer)
    edits.select((4,))
    edits.active.layer.mode = "fill"
    edits.active.layer.fill((2, 2), 1)
    edits.flush()
    assert edits.history.undo_name is None
    assert np.array_equal(edits.active.layer.data == 1, truth(edits, 4))
    assert len(notices()) == 1


@pytest.mark.parametrize(
    ("leading", "channels", "place"),
    [
        ((3,), 0, {"scale": (5, 2, 2), "translate": (1, 10, 20)}),
        ((2, 3), 0, {"scale": (1, 4, 0.5, 0.5)}),
        ((3,), 2, {}),
        ((), 2, {"scale": (1, 0.3, 0.6)}),
    ],
)
def test_stacks_are_corrected_plane_by_plane(viewer, leading, channels, place):
    last = tuple(n - 1 for n in leading)
    edits = correct(viewer, leading=leading, channels=channels, place=place, planes=sorted({(0,) * len(leading), last}))
    layer, source = edits.active.layer, edits.source
    target = min(edits.result.planes[last].ids)
    edits.select((target,), centre=True)
    assert edits.current_plane == last
    at = source.data_to_world([0] * (source.ndim - 2) + [30, 30])[-2:]
    assert np.allclose(layer.data_to_world((30, 30)), at)
    camera = viewer.scene.camera.center
    assert np.allclose(camera[-2:], at, atol=1e-6)
    layer.paint((60, 20), 1)
    if leading:
        viewer.dims.set_current_step(0, 0)  # leaves the plane with paint on it
        assert edits.selected == ()
        assert edits.current_plane != last
    edits.flush()
    assert edits.result.get(last, target).mask.shape[0] > 30
    assert views_agree(edits)
    edits.undo()
    assert edits.current_plane == last
    assert views_agree(edits)


def test_random_edits_keep_layers_and_result_in_step(viewer):
    edits = correct(viewer)
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
    viewer = make_napari_viewer(show=True)
    edits = correct(viewer)
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


def test_predictions_leave_corrected_cells_and_can_be_undone(viewer):
    edits = correct(viewer)
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


def test_the_table_follows_shortly_after_edits(viewer, qtbot):
    edits = correct(viewer)
    seen = []
    edits.session.settled.connect(seen.append)
    edits.select((4,))
    edits.run_tool("delete")
    qtbot.waitUntil(lambda: bool(seen), timeout=5_000)
    assert list(edits.shown.layers.cells.features["id"]) == [1, 2, 3]


def test_one_image_is_corrected_at_a_time(viewer):
    first = correct(viewer)
    second = correct(viewer)
    first.select((1,))
    second.select((2,))
    assert first.selected == ()
    assert first.active.layer not in viewer.layers
    assert second.session.editing is second
    viewer.layers.remove(second.active.layer)
    assert second.session.editing is None
    assert second.selected == ()
    second.select((1,))
    viewer.layers.remove(second.source)
    assert second.session.editing is None


def test_changes_that_do_not_fit_are_refused_whole(viewer):
    edits = correct(viewer)
    cell = edits.result.get((), 1)
    with pytest.raises(ValueError, match="not as the edit"):
        edits.do("wrong", [Change((), 2, cell, None)])
    assert views_agree(edits)


def test_an_image_without_cells_can_be_corrected(viewer):
    source = viewer.add_image(np.zeros((64, 64), np.uint8), name="bare")
    edits = edit_session_of(session_of(viewer), source)
    mask = np.ones((6, 8), bool)
    made = edits.add(mask, (5, 5))
    assert edits.selected == (made.id,)
    assert edits.history.undo_name == f"new cell {made.id}"
    assert views_agree(edits)


def test_many_changes_at_once_are_composed_after_the_edit_in_parts_that_never_hold_the_event_loop(
    viewer, qtbot, monkeypatch
):
    edits = correct(viewer)
    session, layers, result = edits.session, edits.shown.layers, edits.result
    composed, compose = [], Views._compose
    monkeypatch.setattr(Views, "_compose", lambda self, box: (composed.append(box), compose(self, box)))
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
