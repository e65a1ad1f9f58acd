"""Images of a project come and go in small steps: layers are reused, or added and removed in different turns of the loop."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QTimer

from napari_centermask.core.classification import classified, with_names
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.project import Project
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.project.session import project_session_of

SHAPE = (64, 80)


def many(score=0.75):
    """Some 300 cells."""
    places = [(y, x) for y in range(0, 60, 4) for x in range(0, 76, 4)]
    return Instances(
        SHAPE, [Instance(k, y, x, np.ones((3, 3), bool), score=score) for k, (y, x) in enumerate(places, 1)]
    )


@pytest.fixture(autouse=True)
def _long_lived_set_aside():
    """Nothing is set aside before the test."""
    gc.unfreeze()


@pytest.fixture
def folder(tmp_path):
    """Two images of 300 cells, one without any, and a stack."""
    place = tmp_path / "experiment"
    place.mkdir()
    for n in range(3):
        tifffile.imwrite(place / f"field {n}.tif", np.full(SHAPE, 50 * n, np.uint8))
    tifffile.imwrite(place / "stack.tif", np.zeros((3, *SHAPE), np.uint8), imagej=True, metadata={"axes": "ZYX"})
    with Project.create(place) as project:
        for id in (1, 2):
            project.set_predictions(id, many(), model="model")
        project.save()
    return place


@pytest.fixture
def projects(viewer, folder, qtbot):
    projects = project_session_of(viewer)
    projects.open(folder)
    projects.show(3)
    yield projects
    projects.close()
    qtbot.waitUntil(lambda: not projects.session.canvas.is_taking_turns)


@pytest.fixture
def turns(viewer, qtbot):
    """Names of the layers that were added and removed, by turns of the event loop."""
    seen: list[list[str]] = [[]]
    timer = QTimer()
    timer.setInterval(0)
    timer.timeout.connect(lambda: seen.append([]))
    layers = viewer.__wrapped__.layers.events
    layers.inserted.connect(lambda event: seen[-1].append(f"+{event.value.name}"))
    layers.removed.connect(lambda event: seen[-1].append(f"-{event.value.name}"))
    timer.start()
    yield seen
    timer.stop()


def shown(qtbot, projects, id):
    """Show an image as the dock does, and wait until all is as it shall be."""
    projects.show_soon(id)
    qtbot.waitUntil(lambda: projects.current == id, timeout=20_000)
    result = projects.session.shown(projects.layer)
    qtbot.waitUntil(lambda: not result.layers.behind and not projects.session.canvas.is_taking_turns, timeout=20_000)
    return result


def test_the_next_image_is_shown_in_the_label_layers_of_the_one_before(viewer, projects, qtbot):
    first = shown(qtbot, projects, 1)
    edits = edit_session_of(projects.session, projects.layer)
    edits.select((5,))
    own = [first.layers.cells, first.layers.outlines, edits.active.layer]
    second = shown(qtbot, projects, 2)
    again = edit_session_of(projects.session, projects.layer)
    again.select((7,))
    assert [second.layers.cells, second.layers.outlines] == own[:2]
    assert [layer.name for layer in viewer.layers] == [
        "field 1",
        "field 1 cells",
        "field 1 outlines",
        "field 1 active cell",
    ]
    assert np.array_equal(
        np.unique(second.layers.cells.data), np.unique([0, *(c.id for c in second.result if c.id != 7)])
    )
    assert (again.active.layer.data == 1).sum() == 9


def test_no_turn_adds_or_removes_more_than_one_layer(projects, turns, qtbot):
    shown(qtbot, projects, 1)
    edit_session_of(projects.session, projects.layer).select((5,))
    qtbot.wait(1)
    del turns[:-1]
    for id in (2, 1, 3):
        shown(qtbot, projects, id)
    changes = [turn for turn in turns if turn]
    assert ["+field 1"] in changes
    assert ["-field 0"] in changes
    assert max(map(len, changes)) == 1


def test_what_was_drawn_and_set_on_a_reused_layer_is_gone(projects, qtbot):
    first = shown(qtbot, projects, 1)
    first.layers.cells.contour, first.layers.cells.visible = 2, False
    first.layers.cells.features = {"index": [1], "mine": [2]}
    edits = edit_session_of(projects.session, projects.layer)
    edits.select((5,))
    edits.active.layer.mode = "paint"
    layer = edits.active.layer
    second = shown(qtbot, projects, 2)
    qtbot.waitUntil(lambda: len(second.layers.cells.features) == len(second.result))
    assert second.layers.cells.contour == 0
    assert second.layers.cells.visible
    assert "mine" not in second.layers.cells.features
    edits = edit_session_of(projects.session, projects.layer)
    edits.select(())
    edits.activate()
    if edits.active.layer is layer:
        assert str(layer.mode) == "pan_zoom"
    assert not edits.active.layer.data.any()
    edits.active.layer.paint((40, 40), 1)
    edits.flush()
    assert len(projects.project.result(2)) == len(projects.project.result(1)) + 1


def test_a_stack_gets_layers_of_its_own_and_gives_them_back(viewer, projects, qtbot):
    shown(qtbot, projects, 1)
    id = next(i.id for i in projects.images if i.path.name == "stack.tif")
    stack = shown(qtbot, projects, id)
    assert stack.layers.cells.ndim == 3
    assert len(viewer.layers) == 3
    back = shown(qtbot, projects, 1)
    assert back.layers.cells.data.shape == SHAPE
    assert {layer.name for layer in viewer.layers} == {"field 0", "field 0 cells", "field 0 outlines"}


def test_an_image_of_another_size_is_fitted_to_the_view_at_once(viewer, projects, folder, qtbot):
    tifffile.imwrite(folder / "small.tif", np.zeros((16, 20), np.uint8))
    projects.project.add_images([folder / "small.tif"])
    id = next(i.id for i in projects.images if i.path.name == "small.tif")
    shown(qtbot, projects, 1)
    edit_session_of(projects.session, projects.layer).select((5,))
    zoom = viewer.scene.camera.zoom if hasattr(viewer, "scene") else viewer.camera.zoom
    projects.show(id)
    assert [layer.name for layer in viewer.layers] == ["small", "small cells", "small outlines"]
    small = viewer.scene.camera.zoom if hasattr(viewer, "scene") else viewer.camera.zoom
    assert small > 3 * zoom


def test_a_run_of_the_image_before_never_reaches_the_one_in_view(projects, qtbot):
    first = shown(qtbot, projects, 1)
    second = shown(qtbot, projects, 2)
    before = len(second.result)
    projects.session.put(first, (), many(0.5))
    assert projects.session.shown(projects.layer) is second
    assert len(second.result) == before


def test_full_collections_are_short_only_while_a_project_is_open(viewer, projects, qtbot):
    shown(qtbot, projects, 1)
    assert gc.get_freeze_count() > 0
    projects.close()
    qtbot.waitUntil(lambda: gc.get_freeze_count() == 0)  # when the layers have left


def test_layers_that_a_person_removes_are_collected(viewer, projects, qtbot):
    viewer.add_labels(np.ones((4, 4), np.uint8), name="mine")
    shown(qtbot, projects, 1)
    viewer.layers.remove("mine")
    assert gc.get_freeze_count() == 0


def test_new_categories_of_one_edit_are_announced_once(projects, qtbot):
    shown(qtbot, projects, 1)
    edits, seen = edit_session_of(projects.session, projects.layer), []
    projects.project.changed.connect(seen.append)
    edits.result.categories = with_names(edits.result.categories, ("live", "dead", "else"))
    p = np.tile([0.2, 0.3, 0.5], (len(edits.result), 1))
    edits.do("classification", classified(edits.result, (), list(edits.result), p, ("live", "dead", "else")))
    assert seen.count(0) == 1
    assert {"live", "dead", "else"} <= {c.name for c in projects.project.categories.values()}


def test_many_cells_are_described_after_the_turn_that_shows_them(projects, qtbot):
    projects.show_soon(1)
    qtbot.waitUntil(lambda: projects.current == 1, timeout=20_000)
    layers = projects.session.shown(projects.layer).layers
    assert len(layers.cells.features) == 0
    qtbot.waitUntil(lambda: len(layers.cells.features) == len(layers.result), timeout=20_000)


def test_many_changed_cells_are_packed_by_a_thread_before_the_project_is_saved(projects, qtbot, monkeypatch):
    import threading

    from napari_centermask.io.project import store

    shown(qtbot, projects, 1)
    edits, threads, annotation = edit_session_of(projects.session, projects.layer), [], store.annotation
    monkeypatch.setattr(
        store, "annotation", lambda *a, **k: (threads.append(threading.current_thread()), annotation(*a, **k))[1]
    )
    edits.run_tool("accept", [c.id for c in edits.result])
    folder, n = projects.project.folder, len(edits.result)
    projects.when_packed(projects.save)
    edits.run_tool("delete", [5])  # work goes on meanwhile
    qtbot.waitUntil(lambda: not projects.project.unsaved, timeout=20_000)
    assert len(threads) == n
    assert threading.main_thread() not in threads
    projects.close()
    with Project.open(folder) as project:
        assert {c.status for c in project.result(1)} == {"accepted"}
        assert len(project.result(1)) == n - 1


def test_annotations_are_encoded_by_a_thread_again_after_a_change_meanwhile(projects, qtbot, monkeypatch):
    import threading

    from napari_centermask.io.project import store

    shown(qtbot, projects, 1)
    edits, threads, parts = edit_session_of(projects.session, projects.layer), [], store._parts

    def noted(value):
        threads.append(threading.current_thread())
        if len(threads) == 1:
            assert went_on.wait(20)
        yield from parts(value)

    went_on = threading.Event()
    edits.run_tool("accept", [c.id for c in edits.result])
    folder, n = projects.project.folder, len(edits.result)
    monkeypatch.setattr(store, "_parts", noted)
    projects.when_packed(projects.save)
    qtbot.waitUntil(lambda: len(threads) == 1, timeout=20_000)
    edits.run_tool("delete", [5])
    went_on.set()
    qtbot.waitUntil(lambda: not projects.project.unsaved, timeout=20_000)
    assert threading.main_thread() not in threads
    projects.close()
    with Project.open(folder) as project:
        assert project.recovered == 0
        assert len(project.result(1)) == n - 1


def test_a_project_is_saved_while_the_one_before_is_still_being_encoded(projects, qtbot, monkeypatch, tmp_path):
    import threading

    from napari_centermask.io.project import store

    shown(qtbot, projects, 1)
    edits, parts, began, went_on = (
        edit_session_of(projects.session, projects.layer),
        store._parts,
        [],
        threading.Event(),
    )

    def slow(value):
        if threading.current_thread() is not threading.main_thread():
            began.append(True)
            assert went_on.wait(20)
        yield from parts(value)

    edits.run_tool("accept", [c.id for c in edits.result])
    monkeypatch.setattr(store, "_parts", slow)
    projects.when_packed(projects.save)
    qtbot.waitUntil(lambda: bool(began), timeout=20_000)
    projects.close()
    monkeypatch.setattr(store, "_parts", parts)
    (tmp_path / "other").mkdir()
    tifffile.imwrite(tmp_path / "other" / "a.tif", np.zeros(SHAPE, np.uint8))
    Project.create(tmp_path / "other").close()
    projects.open(tmp_path / "other")
    saved = []
    projects.when_packed(lambda: saved.append(projects.project.folder.name))
    assert saved == ["other"]
    went_on.set()
