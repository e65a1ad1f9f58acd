"""Which classifier runs, and on which channels."""

import numpy as np
import pytest
from bright_cells import SHAPE, cells, classified, picture, reported
from qtpy.QtWidgets import QFileDialog


def test_the_classifier_of_a_shipped_model_is_offered_first(viewer, open_bright, qtbot):
    dock = open_bright({(): cells()})
    box = dock.classification.box
    assert [box.classifier.itemText(k) for k in range(box.classifier.count())] == ["live-dead", "From file…"]
    classified(dock, qtbot)
    predicted = [c for c in dock.viability.edits.result if c.status == "predicted"]
    assert all(sum(c.probabilities) == pytest.approx(1) for c in predicted)
    assert dock.viability.edits.history.undo_name == "classification with live-dead"


def test_a_file_that_is_not_a_classifier_says_what_to_do(
    viewer, open_bright, qtbot, notices, monkeypatch, tmp_path, classifier
):
    dock = open_bright({(): cells()})
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
    classified(dock, qtbot)
    assert "does not exist" in notices()[-1] or "There is no classifier" in notices()[-1]
    assert reported(dock) == notices()[-1]
    assert dock.viability.edits.history.undo_name is None


def test_of_several_channels_those_that_the_classifier_knows_are_ticked(
    viewer, open_bright, qtbot, notices, classifier
):
    rgb = np.stack([picture(), np.zeros(SHAPE, np.float32), picture() * 0.5], axis=-1)
    dock = open_bright({(): cells()}, rgb, rgb=True)
    channels = dock.classification.box.channels
    classified(dock, qtbot, classifier)
    assert "The classifier bright needs 1 channels, but the image has 3." in notices()[-1]
    channels.set_value([0])
    classified(dock, qtbot)
    assert [c.category for c in dock.viability.edits.result] == [3, 2, 1, 1, 1, 2]
