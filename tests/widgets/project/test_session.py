"""A project in a viewer: what is drawn always reaches the project, whatever happens to layers and files."""

import shutil

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import Cancelled
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.io.project import Project
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.dock import CorrectDock
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.viewer.state import session_of

SHAPE = (64, 80)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "experiment"
    place.mkdir()
    for n in range(3):
        tifffile.imwrite(place / f"field {n}.tif", np.full(SHAPE, 50 * n, np.uint8))
    return place


@pytest.fixture
def projects(viewer, folder, qtbot):
    """The project with its first image in view, and one cell."""
    projects = project_session_of(viewer)
    projects.open(folder)
    projects.show(1)
    edit_session_of(projects.session, projects.layer).add(np.ones((9, 9), bool), (10, 10))
    yield projects
    projects.close()
    qtbot.wait(1)


@pytest.fixture
def correct(viewer, projects, qtbot):
    dock = CorrectDock(viewer)
    viewer.window.add_dock_widget(dock, name="Correct")
    yield dock
    if dock.edits is not None:
        dock.edits.deactivate()
    session_of(viewer).settle()


def bin(viewer, *layers):
    """What the layer list's bin does."""
    viewer.layers.selection = {getattr(x, "__wrapped__", x) for x in layers}
    viewer.layers.remove_selected()


def paint(edits, y=40, x=40):
    """Paint a new cell."""
    edits.select(())
    edits.active.layer.brush_size = 9
    edits.active.layer.paint((y, x), 1)
    edits.flush()


def test_after_the_cells_layer_was_deleted_the_brush_shows_the_cells_again(viewer, projects, correct, qtbot):
    bin(viewer, viewer.layers["field 0 cells"])
    qtbot.wait(1)
    correct.tools.buttons["new_brush"].click()
    paint(correct.edits)
    assert "field 0 cells" in viewer.layers
    assert correct.edits.result is projects.project.result(1)
    assert len(projects.project.result(1)) == 2


def test_images_that_are_switched_fast_keep_their_names(viewer, projects, qtbot):
    for id in (2, 1, 2, 1, 3, 1):
        projects.show(id)  # the former layers leave in later turns
        assert not [layer.name for layer in viewer.layers if layer.name.endswith("]")]
        assert projects.layer.name == f"field {id - 1}"
    qtbot.waitUntil(lambda: not projects.session.canvas.is_taking_turns)
    assert {layer.name for layer in viewer.layers} == {"field 0", "field 0 cells", "field 0 outlines"}


def test_painting_continues_reaching_the_project_while_the_cells_layer_is_deleted(viewer, projects, correct, qtbot):
    correct.tools.buttons["new_brush"].click()
    bin(viewer, viewer.layers["field 0 cells"])
    qtbot.wait(1)
    paint(correct.edits)
    assert len(projects.project.result(1)) == 2
    assert "field 0 cells" in viewer.layers
    folder = projects.project.folder
    projects.close()
    with Project.open(folder) as again:
        assert len(again.result(1)) == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p: tifffile.imwrite(p, np.zeros((30, 20), np.uint8)), "another size"),
        (lambda p: tifffile.imwrite(p, np.zeros((3, *SHAPE), np.uint8), imagej=True, metadata={"axes": "ZYX"}), "size"),
        (lambda p: p.write_text("no image"), "field 1"),
        (lambda p: p.unlink(), "field 1"),
    ],
    ids=["other size", "a stack", "no image", "deleted"],
)
def test_an_image_that_changed_on_disk_is_refused_and_the_one_in_view_stays(viewer, projects, change, text):
    folder = projects.project.folder
    change(folder / "field 1.tif")
    with pytest.raises(Exception, match=text) as error:
        projects.show(2)
    assert type(error.value).__name__ in ("BadImage", "BadProject")
    assert (projects.current, projects.layer.name) == (1, "field 0")
    assert projects.layer in viewer.layers
    assert "field 0 cells" in viewer.layers
    paint(edit_session_of(projects.session, projects.layer))
    assert len(projects.project.result(1)) == 2


def test_what_is_drawn_on_a_copy_of_a_project_image_is_kept_by_the_autosave(viewer, projects):
    copied = viewer.add_image(projects.layer.data, name="copy", metadata=dict(projects.layer.metadata)).__wrapped__
    edit_session_of(projects.session, copied).add(np.ones((9, 9), bool), (30, 30))
    from napari_centermask.widgets.viewer.state import state_of

    assert copied in state_of(viewer).autosaves._kept
    assert len(projects.project.result(1)) == 1


def test_the_cells_of_an_image_that_was_deleted_leave_with_it_and_come_back(viewer, projects, correct, qtbot):
    bin(viewer, projects.layer)
    qtbot.waitUntil(lambda: len(viewer.layers) == 0)
    projects.show(1)
    assert {"field 0", "field 0 cells", "field 0 outlines"} <= {layer.name for layer in viewer.layers}
    assert len(projects.project.result(1)) == 1


def test_all_layers_deleted_at_once_end_the_correction_without_an_error(viewer, projects, correct, qtbot):
    correct.tools.buttons["new_brush"].click()
    bin(viewer, *viewer.layers)
    qtbot.wait(10)
    assert len(viewer.layers) == 0
    assert projects.current == 0
    assert len(projects.project.result(1)) == 1


def test_the_journal_comes_back_when_the_projects_files_were_deleted(viewer, projects):
    folder = projects.project.folder
    for path in (p for p in folder.iterdir() if p.suffix != ".tif"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    edit_session_of(projects.session, projects.layer).add(np.ones((9, 9), bool), (40, 40))
    projects.project._journal.close()  # as killed
    projects.project._journal, projects.project._lock = None, projects.project._lock.release()
    with Project.open(folder) as again:
        assert len(again.result(1)) == 2
    projects.leave()
    projects.project = None


def test_many_cells_are_read_by_a_thread_and_never_by_the_one_that_draws(viewer, projects, qtbot, monkeypatch):
    import threading

    from napari_centermask.io.project.store import Store

    cells = [(np.ones((2, 2), bool), (y, x)) for y in range(0, 60, 3) for x in range(0, 78, 3)]
    edits = edit_session_of(projects.session, projects.layer)
    edits.do("many", [c for m, at in cells for c in _new(edits.result, m, at)])
    expected = len(edits.result)
    folder = projects.project.folder
    projects.save()
    projects.open(folder)
    threads, read = [], Store.result
    monkeypatch.setattr(
        Store, "result", lambda self, name: (threads.append(threading.current_thread()), read(self, name))[1]
    )
    projects.show_soon(1)
    assert projects.loading == 1
    qtbot.waitUntil(lambda: projects.current == 1, timeout=20_000)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    shown = projects.session.shown(projects.layer)
    assert len(shown.result) == expected
    assert shown.result is projects.project.result(1)
    assert shown.result.categories == projects.project._categories.names
    qtbot.waitUntil(lambda: not shown.layers.behind)


def _new(result, mask, at):
    id = result.new_id()
    return [Change((), id, None, Instance.from_mask(mask, at, id=id))]


def test_closing_beside_annotations_of_another_program_keeps_what_was_saved_too(projects, folder, monkeypatch):
    """The journal holds only the edits since the last save."""
    projects.save()
    saved = (folder / "annotations.json").read_bytes()
    edit_session_of(projects.session, projects.layer).add(np.ones((5, 5), bool), (40, 40))
    theirs = saved.replace(b'"cell"', b'"nerve"')
    (folder / "annotations.json").write_bytes(theirs)
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    projects.close()
    assert (folder / "annotations.json").read_bytes() == theirs
    (text,) = said
    assert "annotations unsaved.json" in text
    assert "All edits since the last save are in the journal" in text
    (folder / "annotations unsaved.json").replace(folder / "annotations.json")
    with Project.open(folder) as again:
        assert sorted(c.area for c in again.result(1)) == [25, 81]


def test_opening_the_open_project_again_cannot_be_cancelled_which_would_close_it(projects, folder):
    def cancel(*_):
        raise Cancelled("cancelled")

    projects.open(folder, cancel)  # it is not offered
    assert projects.project is not None
    assert len(projects.project.result(1)) == 1
