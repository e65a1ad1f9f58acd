"""Cells classified in the viability dock: a button, a worker, one edit; what a person decided stays, and undo restores all."""

import sys
import threading

import numpy as np
import onnx
import pytest
import tifffile
from onnx import TensorProto, helper
from qtpy.QtWidgets import QFileDialog

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.engines.classifier import load_classifier
from napari_centermask.io.project import Project
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.pipeline.classify import classify
from napari_centermask.settings import ClassifierSettings
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

SHAPE, RADIUS = (120, 160), 8
BRIGHT = (1.0, 0.2, 1.0, 0.2, 1.0, 0.2)
PLACES = [(20, 20), (20, 60), (60, 20), (60, 60), (100, 60), (100, 100)]
STATUSES = ("predicted", "predicted", "corrected", "accepted", "rejected", "predicted")


@pytest.fixture
def classifier(tmp_path):
    """Bright cells are dead: the file of a graph that looks at the mean of each square."""
    form = ClassifierSettings(side=16, categories=["living", "dead"])
    card = ClassifierCard(name="bright", licence="CC0-1.0", model=form, percentiles=(0, 100))
    crops = helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["cells", 2, 16, 16])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["cells", 2])
    nodes = [
        helper.make_node("GlobalAveragePool", ["crops"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    fixed = [
        helper.make_tensor("weight", TensorProto.FLOAT, [2, 2], [0.0, 30.0, 0.0, 0.0]),
        helper.make_tensor("bias", TensorProto.FLOAT, [2], [0.0, -5.0]),
    ]
    graph = helper.make_model(helper.make_graph(nodes, "bright", [crops], [output], fixed), ir_version=9)
    helper.set_model_props(graph, {"card": card.to_json()})
    path = tmp_path / "bright.classifier.onnx"
    onnx.save(graph, path)
    return path


def picture():
    image = np.zeros(SHAPE, np.float32)
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for (y, x), value in zip(PLACES, BRIGHT, strict=True):
        image[np.hypot(yy - y, xx - x) <= RADIUS] = value
    return image


def cells(first=0, *, p=None, statuses=STATUSES):
    yy, xx = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    mask = np.hypot(yy, xx) <= RADIUS
    probabilities = () if p is None else (1 - p, p)
    return [
        Instance(first + k, y - RADIUS, x - RADIUS, mask, status=status, score=0.9, probabilities=probabilities)
        for k, ((y, x), status) in enumerate(zip(PLACES, statuses, strict=True), start=1)
    ]


@pytest.fixture
def open_dock(viewer, qtbot):
    """A viability dock on an image with these cells, by plane."""
    from napari_centermask.widgets.viability.dock import ViabilityDock

    docks = []

    def opened(planes, image=None, *, categories=None, leading=(), **layer):
        categories = categories or {1: "cell"}
        image = np.broadcast_to(picture(), (*leading, *SHAPE)) if image is None else image
        source = viewer.add_image(image, name="field", **layer).__wrapped__
        result = Result(SHAPE, leading=leading, name="field")
        for index, instances in planes.items():
            result.put(index, Instances(SHAPE, instances, categories=categories), keep_ids=True)
        result.categories = dict(categories)
        session_of(viewer).attach(source, ImagePlanes.of(source, channel_axis=None), result)
        docks.append(ViabilityDock(viewer))
        viewer.window.add_dock_widget(docks[-1], name="CenterMask: Viability")
        return docks[-1]

    yield opened
    for dock in docks:
        dock.classification.runner.cancel()
        qtbot.waitUntil(lambda dock=dock: not dock.classification.runner.is_running, timeout=20_000)
        dock._settle()
        dock.refresh()
        session_of(viewer).settle()


def run(dock, qtbot, classifier=None):
    """Press Classify and wait for the end."""
    if classifier is not None:
        dock.classification.box.classifier.choose_file(classifier)
    dock.classification.box.run.start.click()
    wait(dock, qtbot)


def wait(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.classification.runner.is_running, timeout=30_000)
    dock.refresh()


def report(dock):
    return dock.classification.box.run.status.text()


def test_a_stack_is_classified_as_one_edit_and_undo_restores_every_cell(viewer, open_dock, qtbot, classifier):
    dock = open_dock({(0,): cells(), (2,): cells(10)}, leading=(3,))
    edits, box = dock.viability.edits, dock.classification.box
    before = {index: list(plane) for index, plane in edits.result.planes.items()}
    assert box.fold.isExpanded()  # no cell tells anything yet
    assert dock.viability.layer is None
    run(dock, qtbot, classifier)
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
    assert report(dock) == "6 cells classified with bright; 4 stay as they are."
    assert dock.threshold.category.currentText() == "dead"
    assert dock.threshold.slider.value() == 0.5
    assert dock.counts.summary.image.text() == "Image: 4 cell, 4 living, 2 dead. Viability <b>80.0 %</b>"
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
    assert dock.counts.summary.image.text() == "Image: 4 cell, 4 living, 2 dead. Viability <b>80.0 %</b>"
    assert "torch" not in sys.modules


def test_the_classifier_of_a_shipped_model_is_offered_first(viewer, open_dock, qtbot):
    dock = open_dock({(): cells()})
    box = dock.classification.box
    assert [box.classifier.itemText(k) for k in range(box.classifier.count())] == ["live-dead", "From file…"]
    run(dock, qtbot)
    predicted = [c for c in dock.viability.edits.result if c.status == "predicted"]
    assert all(sum(c.probabilities) == pytest.approx(1) for c in predicted)
    assert dock.viability.edits.history.undo_name == "classification with live-dead"


def test_judged_cells_follow_if_asked_for_and_rejected_ones_never(viewer, open_dock, qtbot, classifier):
    statuses = ("corrected", "accepted", "corrected", "accepted", "rejected", "accepted")
    dock = open_dock({(): cells(statuses=statuses)})
    edits, box = dock.viability.edits, dock.classification.box
    run(dock, qtbot, classifier)
    assert "you judged them all" in report(dock)
    assert edits.history.undo_name is None
    box.judged.click()
    run(dock, qtbot)
    assert [c.category for c in edits.result] == [3, 2, 3, 2, 1, 2]
    assert tuple(c.status for c in edits.result) == statuses


def test_the_mean_with_former_probabilities_goes_by_the_categories_names(viewer, open_dock, qtbot, classifier):
    dock = open_dock({(): cells(p=0.9)}, categories={1: "dead", 2: "living"})
    assert not dock.classification.box.fold.isExpanded()
    dock.classification.box.mean.setChecked(True)
    run(dock, qtbot, classifier)
    alone = classify(picture()[None], Instances(SHAPE, cells(), categories={1: "cell"}), load_classifier(classifier))
    result = dock.viability.edits.result
    assert result.categories == {1: "dead", 2: "living"}
    for id in (1, 2, 6):
        living, dead = alone[id].probabilities
        assert result.get((), id).probabilities == pytest.approx(((0.1 + dead) / 2, (0.9 + living) / 2))
    run(dock, qtbot)
    assert dock.viability.edits.history.undo_name == "classification with bright"
    dock.classification.box.mean.setChecked(False)
    run(dock, qtbot)
    run(dock, qtbot)
    assert report(dock) == "The cells already have the categories that bright gives them; no cell was changed."


class Slow:
    """A classifier that answers when its gate opens."""

    def __init__(self, path):
        self.engine = load_classifier(path)
        self.card, self.gate, self.asked = self.engine.card, threading.Event(), threading.Event()

    def probabilities(self, crops):
        self.asked.set()
        if not self.gate.wait(30):
            raise RuntimeError("The test never opened the gate.")
        return self.engine.probabilities(crops)


@pytest.fixture
def slow(monkeypatch, classifier):
    from napari_centermask.widgets.viability import classification

    engine = Slow(classifier)
    monkeypatch.setattr(classification, "load_classifier", lambda name: engine)
    yield engine
    engine.gate.set()


def test_cancel_leaves_everything_as_it_was(viewer, open_dock, qtbot, slow):
    dock = open_dock({(0,): cells(), (1,): cells(10)}, leading=(2,))
    edits, run_box = dock.viability.edits, dock.classification.box.run
    before, names = list(edits.result), dict(edits.result.categories)
    run_box.start.click()
    qtbot.waitUntil(slow.asked.is_set, timeout=20_000)
    assert (run_box.start.isEnabled(), run_box.cancel.isEnabled()) == (False, True)
    run_box.cancel.click()
    slow.gate.set()
    wait(dock, qtbot)
    assert all(a is b for a, b in zip(edits.result, before, strict=True))
    assert edits.result.categories == names
    assert edits.history.undo_name is None
    assert report(dock) == "Cancelled; no cell was changed."
    assert (run_box.start.isEnabled(), run_box.cancel.isEnabled()) == (True, False)


def test_what_a_person_does_meanwhile_stays(viewer, open_dock, qtbot, slow):
    dock = open_dock({(): cells(p=0.2)}, categories={1: "living", 2: "dead"})
    edits = dock.viability.edits
    dock.classification.box.run.start.click()
    qtbot.waitUntil(slow.asked.is_set, timeout=20_000)
    edits.select((1,))
    edits.run_tool("grow", n=2)
    dock.threshold.slider._spin.setValue(0.1)  # all dead, and not let go
    slow.gate.set()
    wait(dock, qtbot)
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


def test_cells_that_are_gone_by_then_stay_gone(viewer, open_dock, qtbot, slow):
    dock = open_dock({(): cells()})
    dock.classification.box.run.start.click()
    qtbot.waitUntil(slow.asked.is_set, timeout=20_000)
    session_of(viewer).forget(dock.image.layer)
    slow.gate.set()
    wait(dock, qtbot)
    assert report(dock) == "The cells have changed in the meantime; nothing was classified."
    assert not dock.classification.box.run.start.isEnabled()


def test_a_file_that_is_not_a_classifier_says_what_to_do(
    viewer, open_dock, qtbot, notices, monkeypatch, tmp_path, classifier
):
    dock = open_dock({(): cells()})
    combo = dock.classification.box.classifier
    wrong = tmp_path / "wrong.classifier.onnx"
    wrong.write_bytes(b"no graph")
    files = iter([str(wrong), "", str(classifier)])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: (next(files), ""))
    for _ in range(2):
        combo.setCurrentIndex(1)
        combo.activated.emit(1)
        assert combo.chosen == "live-dead"
    assert len(notices()) == 1
    assert "wrong.classifier.onnx" in notices()[0]
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    assert combo.chosen == str(classifier)
    classifier.unlink()
    run(dock, qtbot)
    assert "does not exist" in notices()[-1] or "There is no classifier" in notices()[-1]
    assert report(dock) == notices()[-1]
    assert dock.viability.edits.history.undo_name is None


def test_a_graph_that_cannot_run_says_so(viewer, open_dock, qtbot, notices, classifier):
    model = onnx.load(classifier)
    model.graph.node[0].op_type = "Nonsense"
    onnx.save(model, classifier)
    dock = open_dock({(): cells()})
    run(dock, qtbot, classifier)
    assert notices()[-1].startswith("The classifier bright could not run: ")
    assert notices()[-1].endswith("Choose another one, or train it again.")
    assert dock.viability.edits.history.undo_name is None


def test_of_several_channels_those_that_the_classifier_knows_are_ticked(viewer, open_dock, qtbot, notices, classifier):
    rgb = np.stack([picture(), np.zeros(SHAPE, np.float32), picture() * 0.5], axis=-1)
    dock = open_dock({(): cells()}, rgb, rgb=True)
    channels = dock.classification.box.channels
    run(dock, qtbot, classifier)
    assert "The classifier bright needs 1 channels, but the image has 3." in notices()[-1]
    channels.set_value([0])
    run(dock, qtbot)
    assert [c.category for c in dock.viability.edits.result] == [3, 2, 1, 1, 1, 2]


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
    viewer.window.add_dock_widget(dock, name="CenterMask: Viability")
    return dock, projects


def test_in_a_project_the_categories_are_kept_and_reviewed_images_left(viewer, project, qtbot, classifier):
    dock, projects = dock_on(viewer, project)
    run(dock, qtbot, classifier)
    categories = [3, 2, 3, 2, 3, 2]
    assert [c.category for c in projects.project.result(1)] == categories
    assert {k: c.name for k, c in projects.project.categories.items()} == {1: "cell", 2: "living", 3: "dead"}
    projects.show(2)
    run(dock, qtbot)
    assert "you judged them all" in report(dock)
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
