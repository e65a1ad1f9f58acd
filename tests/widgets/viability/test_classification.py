"""Cells classified in the viability dock: a button, a worker, one edit; what a person decided stays, and undo restores all."""

import sys

import numpy as np
import pytest
import tifffile
from bright_cells import BRIGHT, SHAPE, STATUSES, cells, classified, picture, reported, until_ended

from napari_centermask.core.instances import Instances
from napari_centermask.engines.classifier import load_classifier
from napari_centermask.io.project import Project
from napari_centermask.pipeline.classify import classify
from napari_centermask.widgets.viewer.state import session_of


def test_a_stack_is_classified_as_one_edit_and_undo_restores_every_cell(viewer, open_bright, qtbot, classifier):
    dock = open_bright({(0,): cells(), (2,): cells(10)}, leading=(3,))
    edits, box = dock.viability.edits, dock.classification.box
    before = {index: list(plane) for index, plane in edits.result.planes.items()}
    assert box.fold.isExpanded()  # no cell tells anything yet
    assert dock.viability.layer is None
    classified(dock, qtbot, classifier)
    expected = classify(picture()[None], Instances(SHAPE, cells(), categories={1: "cell"}), load_classifier(classifier))
    assert edits.result.categories == {1: "cell", 2: "living", 3: "dead"}
    for index, first in (((0,), 0), ((2,), 10)):
        plane = edits.result.plane(index)
        for k, status, old in zip(range(1, 7), STATUSES, before[index], strict=True):
            cell = plane[first + k]
            if status == "predicted":
                assert cell.probabilities == pytest.approx((0, *expected[k].probabilities))
                assert cell.category == (3 if BRIGHT[k - 1] == 1.0 else 2)
                assert cell.status == "predicted"
            else:
                assert cell is old
    assert edits.history.undo_name == "classification with bright"
    assert reported(dock) == "6 cells classified with bright; 4 stay as they are."
    assert dock.threshold.category.currentText() == "dead"
    assert dock.threshold.slider.value() == 0.5
    assert dock.counts.summary.image.text() == "Image: 4 cells, 4 living cells, 2 dead cells. Viability <b>80.0 %</b>"
    qtbot.waitUntil(lambda: dock.viability.layer is not None)
    edits.undo()
    assert edits.history.undo_name is None
    for index, plane in before.items():
        assert all(a is b for a, b in zip(edits.result.plane(index), plane, strict=True))
    dock.refresh()
    assert edits.result.categories == {1: "cell"}
    assert dock.threshold.note.text().startswith("A threshold needs two categories; there is only one.")
    edits.redo()
    dock.refresh()
    assert [c.category for c in edits.result.plane((2,))] == [3, 2, 1, 1, 1, 2]
    assert edits.result.categories == {1: "cell", 2: "living", 3: "dead"}
    assert dock.threshold.category.currentText() == "dead"
    assert dock.counts.summary.image.text() == "Image: 4 cells, 4 living cells, 2 dead cells. Viability <b>80.0 %</b>"
    assert "torch" not in sys.modules


def test_judged_cells_follow_if_asked_for_and_rejected_ones_never(viewer, open_bright, qtbot, classifier):
    statuses = ("corrected", "accepted", "corrected", "accepted", "rejected", "accepted")
    dock = open_bright({(): cells(statuses=statuses)})
    edits, box = dock.viability.edits, dock.classification.box
    classified(dock, qtbot, classifier)
    assert "you reviewed them all" in reported(dock)
    assert edits.history.undo_name is None
    box.judged.click()
    classified(dock, qtbot)
    assert [c.category for c in edits.result] == [3, 2, 3, 2, 1, 2]
    assert tuple(c.status for c in edits.result) == statuses


def test_the_mean_with_former_probabilities_goes_by_the_categories_names(viewer, open_bright, qtbot, classifier):
    dock = open_bright({(): cells(p=0.9)}, categories={1: "dead", 2: "living"})
    assert not dock.classification.box.fold.isExpanded()
    dock.classification.box.mean.setChecked(True)
    classified(dock, qtbot, classifier)
    alone = classify(picture()[None], Instances(SHAPE, cells(), categories={1: "cell"}), load_classifier(classifier))
    result = dock.viability.edits.result
    assert result.categories == {1: "dead", 2: "living"}
    for id in (1, 2, 6):
        living, dead = alone[id].probabilities
        assert result.get((), id).probabilities == pytest.approx(((0.1 + dead) / 2, (0.9 + living) / 2))
    classified(dock, qtbot)
    assert dock.viability.edits.history.undo_name == "classification with bright"
    dock.classification.box.mean.setChecked(False)
    classified(dock, qtbot)
    classified(dock, qtbot)
    assert reported(dock) == "The cells already have the categories that bright gives them; no cell was changed."


def test_what_a_person_does_meanwhile_stays(viewer, open_bright, qtbot, slow):
    dock = open_bright({(): cells(p=0.2)}, categories={1: "living", 2: "dead"})
    edits = dock.viability.edits
    dock.classification.box.run.start.click()
    qtbot.waitUntil(slow.asked.is_set, timeout=20_000)
    edits.select((1,))
    edits.run_tool("grow", n=2)
    dock.threshold.slider._spin.setValue(0.1)  # all dead, and not let go
    slow.gate.set()
    until_ended(dock, qtbot)
    grown = edits.result.get((), 1)
    assert (grown.status, grown.probabilities, grown.category) == ("corrected", (0.8, 0.2), 1)
    assert [edits.result.get((), id).category for id in (2, 6)] == [1, 1]
    assert edits.history.undo_name.startswith("classification")
    edits.undo()
    assert [edits.result.get((), id).category for id in (2, 6)] == [2, 2]
    edits.undo()
    assert [edits.result.get((), id).category for id in (2, 6)] == [1, 1]
    edits.undo()
    assert edits.result.get((), 1).status == "predicted"


@pytest.fixture
def project(tmp_path):
    """Two images of a project; the second is reviewed."""
    place = tmp_path / "experiment"
    place.mkdir()
    for k in range(2):
        tifffile.imwrite(place / f"{k}.tif", (picture() * 200).astype(np.uint8))
    with Project.open(place) as made:
        for image in made.images:
            instances = Instances(SHAPE, cells(statuses=("predicted",) * 6), categories={1: "cell"})
            made.set_predictions(image.id, instances, model="m")
        made.set_status(2, "reviewed")
        made.save()
    return place


def dock_on(viewer, project):
    from napari_centermask.widgets.project.session import project_session_of
    from napari_centermask.widgets.viability.dock import ViabilityDock

    projects = project_session_of(viewer)
    projects.open(project)
    projects.show(1)
    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="Viability")
    return dock, projects


def test_in_a_project_the_categories_are_kept_and_reviewed_images_left(viewer, project, qtbot, classifier):
    dock, projects = dock_on(viewer, project)
    classified(dock, qtbot, classifier)
    categories = [3, 2, 3, 2, 3, 2]
    assert [c.category for c in projects.project.result(1)] == categories
    assert {k: c.name for k, c in projects.project.categories.items()} == {1: "cell", 2: "living", 3: "dead"}
    projects.show(2)
    classified(dock, qtbot)
    assert "you reviewed them all" in reported(dock)
    session_of(viewer).settle()
    projects.close()  # not saved: the journal has it
    with Project.open(project) as again:
        assert [c.category for c in again.result(1)] == categories
        assert all(sum(c.probabilities) == pytest.approx(1) for c in again.result(1))
        assert {c.category for c in again.result(2)} == {1}


def test_a_read_only_project_is_not_classified(viewer, project, qtbot):
    with Project.open(project):  # another window holds the lock
        dock, projects = dock_on(viewer, project)
        start = dock.classification.box.run.start
        assert not start.isEnabled()
        assert "not change it" in start.toolTip()
        projects.close()
