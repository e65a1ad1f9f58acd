"""Categories by threshold: one edit for a drag, and all images of a project."""

import numpy as np
import pytest
from stained_cells import DEAD, disc, drag, field, kinds, shown

from napari_centermask.core.instances import Instance
from napari_centermask.io.project import Project
from napari_centermask.widgets.viewer.state import session_of


def test_a_drag_is_one_edit_that_undo_takes_back_with_the_slider(viewer, open_dock):
    dock = open_dock({(): field()})
    drag(dock, 0.3, 0.8, 0.97)
    assert kinds(dock) == [1, 1, 1, 1, 1, 1]
    dock.viability.edits.undo()
    dock.refresh()
    assert kinds(dock) == shown(dock) == [1, 1, 2, 2, 1, 1]
    assert 0.4 < dock.threshold.slider.value() <= 0.62
    assert dock.viability.edits.history.undo_name is None
    dock.viability.edits.redo()
    dock.refresh()
    assert kinds(dock) == shown(dock) == [1] * 6
    assert dock.threshold.slider.value() > 0.95


def test_with_three_categories_those_below_the_threshold_are_the_next_best(viewer, open_dock):
    cells = [
        Instance(1, 5, 5, np.ones((9, 9), bool), category=2, probabilities=(0.33, 0.35, 0.32)),
        Instance(2, 5, 40, np.ones((9, 9), bool), category=3, probabilities=(0.1, 0.4, 0.5)),
    ]
    dock = open_dock({(): cells}, categories={1: "live", 2: "dead", 3: "debris"})
    assert dock.viability.threshold is None
    assert "No threshold gives the categories" in dock.threshold.note.text()
    assert shown(dock) == kinds(dock) == [2, 3]
    drag(dock, 0.2)
    assert shown(dock) == kinds(dock) == [2, 2]
    drag(dock, 0.45)
    assert shown(dock) == kinds(dock) == [1, 3]
    dock.threshold.category.setCurrentIndex(2)
    dock.threshold.category.activated.emit(2)
    assert dock.viability.cells.category == 3
    drag(dock, 0.1)
    assert kinds(dock) == [3, 3]


def test_cells_above_another_score_are_counted_and_drawn(viewer, open_dock):
    cells = field()
    cells[2] = disc(3, 60, 20, 0.62, score=0.3)
    dock = open_dock({(): cells})
    session = session_of(viewer)
    session.set_threshold(dock.image.layer, 0.5)
    assert dock.viability.counts().total.tolist() == [4, 1]
    assert dock.viability.layer.layer.data[60, 20] == 0
    assert dock.threshold.note.text().startswith("The threshold decides on 3 cells; 2 keep their category.")
    session.set_threshold(dock.image.layer, 0.2)
    assert dock.viability.counts().total.tolist() == [4, 2]
    assert shown(dock) == kinds(dock)


def test_in_a_project_the_threshold_goes_to_all_images_but_those_reviewed(in_project, project):
    dock, projects = in_project
    drag(dock, 0.3)
    assert dock.threshold.everywhere.isEnabled()
    dock.threshold.everywhere.click()
    dead = [sum(c.category == DEAD for c in projects.project.result(id)) for id in (1, 2, 3)]
    assert dead == [3, 3, 2]
    projects.show(2)
    assert shown(dock) == kinds(dock) == [1, 2, 2, 2, 1, 1]
    assert dock.threshold.slider.value() == pytest.approx(0.5, abs=0.2)
    dock.viability.edits.undo()
    assert kinds(dock) == [1, 1, 2, 2, 1, 1]
    projects.save()
    projects.close()
    with Project.open(project) as again:
        assert [c.category for c in again.result(1)] == [1, 2, 2, 2, 1, 1]
        assert [c.category for c in again.result(2)] == [1, 1, 2, 2, 1, 1]
