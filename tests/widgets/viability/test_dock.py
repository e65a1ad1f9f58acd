"""The viability dock with real cells: a slider that is dragged, colours on the canvas, one edit, counts, tables."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from stained_cells import DEAD, LIVE, SHAPE, drag, field, kinds, shown

from napari_centermask.io.project import Project
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings


@pytest.fixture
def card():
    """Of the fake engine's model: it knows two categories."""
    model = ModelSettings(in_channels=3, categories=["live", "dead"], top_levels=0)
    return ModelCard(name="fake", licence="CC0-1.0", model=model, diameter=20.0, percentiles=(0.0, 100.0))


def test_while_the_slider_is_dragged_colours_and_counts_follow_and_no_cell_changes(viewer, open_dock):
    dock = open_dock({(): field()})
    result = dock.viability.edits.result
    assert shown(dock) == kinds(dock) == [1, 1, 2, 2, 1, 1]
    assert dock.counts.summary.image.text() == "Image: 4 live cells, 2 dead cells. Viability <b>66.7 %</b>"
    slider, place = dock.threshold.slider._slider, drag(dock, 0.3, release=False)
    assert shown(dock) == [1, 2, 2, 2, 1, 1]
    assert dock.counts.summary.image.text() == "Image: 3 live cells, 3 dead cells. Viability <b>50.0 %</b>"
    assert kinds(dock) == [1, 1, 2, 2, 1, 1]
    assert dock.viability.edits.history.undo_name is None
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=place)
    assert kinds(dock) == shown(dock) == [1, 2, 2, 2, 1, 1]
    assert {c.status for c in result} == {"predicted", "corrected"}
    assert dock.viability.edits.history.undo_name == f"threshold {dock.viability.threshold:.2f} for dead"


def test_keys_on_the_slider_become_one_edit_when_no_more_come(viewer, open_dock, qtbot):
    dock = open_dock({(): field()})
    for _ in range(12):
        QTest.keyClick(dock.threshold.slider._slider, Qt.Key.Key_Left)
    assert shown(dock) == [1, 2, 2, 2, 1, 1]
    assert kinds(dock) == [1, 1, 2, 2, 1, 1]
    qtbot.waitUntil(lambda: kinds(dock) == [1, 2, 2, 2, 1, 1], timeout=5000)
    assert dock.viability.edits.history.undo_name == "threshold 0.38 for dead"
    dock.viability.edits.undo()
    assert dock.viability.edits.history.undo_name is None


def test_a_category_given_by_a_key_stays_whatever_the_threshold(viewer, open_dock):
    dock = open_dock({(): field()})
    edits = dock.viability.edits
    edits.select((1,))
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert (edits.cell.category, edits.cell.status) == (2, "corrected")
    edits.select(())
    assert shown(dock) == [2, 1, 2, 2, 1, 1]
    drag(dock, 0.97)
    assert kinds(dock) == shown(dock) == [2, 1, 1, 1, 1, 1]
    dock.refresh()
    assert dock.threshold.note.text().startswith("The threshold decides on 3 cells; 3 keep their category.")


def test_an_image_without_cells_enables_nothing(viewer, qtbot):
    from napari_centermask.widgets.viability.dock import ViabilityDock

    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="Viability")
    viewer.add_image(np.zeros(SHAPE, np.float32))
    assert not dock.export.isEnabled()
    assert dock.export.toolTip().startswith("There are no cells")


def test_cells_of_a_run_with_categories_are_coloured_when_they_come(dock, viewer, run_to_end, discs):
    from napari_centermask.widgets.viability.dock import ViabilityDock

    viewer.add_image(discs(), name="field")
    viability = ViabilityDock(viewer)
    viewer.window.add_dock_widget(viability, name="Viability")
    assert viability.viability is None
    run_to_end()
    cells = viability.viability.cells
    assert np.count_nonzero(cells.free) == 3
    assert viability.threshold.category.currentText() == "dead"
    assert shown(viability) == kinds(viability)
    assert set(kinds(viability)) == {LIVE, DEAD}
    drag(viability, 0.0)
    assert shown(viability) == kinds(viability) == [DEAD] * 3
    viability.refresh()
    viability.session.settle()


def test_a_read_only_project_shows_the_threshold_and_changes_nothing(viewer, project, qtbot, notices):
    from napari_centermask.widgets.project.session import project_session_of
    from napari_centermask.widgets.viability.dock import ViabilityDock

    with Project.open(project):  # another window holds the lock
        projects = project_session_of(viewer)
        projects.open(project)
        projects.show(1)
        dock = ViabilityDock(viewer)
        viewer.window.add_dock_widget(dock, name="Viability")
        drag(dock, 0.3, release=False)
        assert shown(dock) == [1, 2, 2, 2, 1, 1]
        drag(dock, 0.3)
        assert kinds(dock) == shown(dock) == [1, 1, 2, 2, 1, 1]
        assert any("not change it" in text for text in notices())
        assert not dock.threshold.everywhere.isEnabled()
        projects.close()
