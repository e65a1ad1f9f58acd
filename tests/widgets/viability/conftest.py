"""Images with living and dead cells in the viability dock, alone and in a project, and classifiers of cells."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_centermask.core.instances import Instances
from napari_centermask.core.result import Result
from napari_centermask.io.project import Project
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.settings import ClassifierSettings
from napari_centermask.widgets.viewer.planes import ImagePlanes

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def open_dock(viewer, qtbot):
    """A viability dock on an image with these cells, by plane."""
    from stained_cells import KINDS, SHAPE

    from napari_centermask.widgets.viability.dock import ViabilityDock
    from napari_centermask.widgets.viewer.state import session_of

    docks = []

    def opened(planes, *, leading=(), categories=KINDS, **layer):
        image = viewer.add_image(np.zeros((*leading, *SHAPE), np.float32), name="field", **layer).__wrapped__
        result = Result(SHAPE, leading=leading, name="field")
        for index, cells in planes.items():
            result.put(index, Instances(SHAPE, cells, categories=categories), keep_ids=True)
        result.categories = dict(categories)
        session_of(viewer).attach(image, ImagePlanes.of(image), result)
        dock = ViabilityDock(viewer)
        viewer.window.add_dock_widget(dock, name="Viability")
        docks.append(dock)
        return dock

    yield opened
    for dock in docks:
        dock._settle()
        dock.refresh()
        session_of(viewer).settle()


@pytest.fixture
def project(tmp_path):
    """Three images with cells alive and dead; the last is reviewed."""
    from stained_cells import KINDS, SHAPE, field

    place = tmp_path / "experiment"
    place.mkdir()
    for k in range(3):
        tifffile.imwrite(place / f"{k}.tif", np.full(SHAPE, k, np.uint8))
    with Project.open(place) as made:
        made.set_category(1, made.categories[1].__class__("live", "#00ff00"))
        for image in made.images:
            made.set_predictions(image.id, Instances(SHAPE, field(), categories=KINDS), model="m")
        made.set_status(3, "reviewed")
        made.save()
    return place


@pytest.fixture
def in_project(viewer, project, qtbot):
    """The dock on the first image of the project."""
    from napari_centermask.widgets.project.session import project_session_of
    from napari_centermask.widgets.viability.dock import ViabilityDock

    projects = project_session_of(viewer)
    projects.open(project)
    projects.show(1)
    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="Viability")
    yield dock, projects
    dock._settle()
    dock.refresh()
    dock.session.settle()
    projects.close()


@pytest.fixture
def classifier(tmp_path):
    """Bright cells are dead: the file of a graph that looks at the mean of each square."""
    import onnx
    from onnx import TensorProto, helper

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


@pytest.fixture
def open_bright(viewer, qtbot):
    """A viability dock on an image with these cells, by plane."""
    from bright_cells import SHAPE, picture

    from napari_centermask.widgets.viability.dock import ViabilityDock
    from napari_centermask.widgets.viewer.state import session_of

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
        viewer.window.add_dock_widget(docks[-1], name="Viability")
        return docks[-1]

    yield opened
    for dock in docks:
        dock.classification.runner.cancel()
        qtbot.waitUntil(lambda dock=dock: not dock.classification.runner.is_running, timeout=20_000)
        dock._settle()
        dock.refresh()
        session_of(viewer).settle()


@pytest.fixture
def slow(monkeypatch, classifier):
    from bright_cells import Slow

    from napari_centermask.widgets.viability import classification

    engine = Slow(classifier)
    monkeypatch.setattr(classification, "load_classifier", lambda name: engine)
    yield engine
    engine.gate.set()
