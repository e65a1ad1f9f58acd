"""Weights become graphs beside them by the command line."""

import pytest

from napari_centermask import cli
from napari_centermask.models.store import zoo

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("home")


def test_exported_graphs_lie_beside_the_weights_and_answer(published, home):
    """The way of a new model to napari: checkpoint, weights, graphs, engine without torch."""
    import numpy as np

    from napari_centermask.engines.load import load_engine

    assert cli.run(["models", "add", str(published), "--name", "lite"]) == 0
    files = zoo.find_model("lite")
    assert files.graphs is not None
    engine = load_engine("lite", engine="openvino")
    assert engine.features(np.zeros((1, 3, 64, 64), np.float32)).logits.shape[2] == 80
