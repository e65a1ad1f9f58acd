"""A classification from its start to its report."""

import onnx
from bright_cells import cells, classified, reported, until_ended

from napari_centermask.widgets.viewer.state import session_of


def test_cancel_leaves_everything_as_it_was(viewer, open_bright, qtbot, slow):
    dock = open_bright({(0,): cells(), (1,): cells(10)}, leading=(2,))
    edits, run_box = dock.viability.edits, dock.classification.box.run
    before, names = list(edits.result), dict(edits.result.categories)
    run_box.start.click()
    qtbot.waitUntil(slow.asked.is_set, timeout=20_000)
    assert (run_box.start.isEnabled(), run_box.cancel.isEnabled()) == (False, True)
    run_box.cancel.click()
    slow.gate.set()
    until_ended(dock, qtbot)
    assert all(a is b for a, b in zip(edits.result, before, strict=True))
    assert edits.result.categories == names
    assert edits.history.undo_name is None
    assert reported(dock) == "Cancelled; no cell was changed."
    assert (run_box.start.isEnabled(), run_box.cancel.isEnabled()) == (True, False)


def test_cells_that_are_gone_by_then_stay_gone(viewer, open_bright, qtbot, slow):
    dock = open_bright({(): cells()})
    dock.classification.box.run.start.click()
    qtbot.waitUntil(slow.asked.is_set, timeout=20_000)
    session_of(viewer).forget(dock.image.layer)
    slow.gate.set()
    until_ended(dock, qtbot)
    assert reported(dock) == "The cells have changed in the meantime; nothing was classified."
    assert not dock.classification.box.run.start.isEnabled()


def test_a_graph_that_cannot_run_says_so(viewer, open_bright, qtbot, notices, classifier):
    model = onnx.load(classifier)
    model.graph.node[0].op_type = "Nonsense"
    onnx.save(model, classifier)
    dock = open_bright({(): cells()})
    classified(dock, qtbot, classifier)
    assert notices()[-1].startswith("bright.classifier.onnx cannot be run by ")
    assert "converted" in notices()[-1]  # and no place in the source of OpenVINO
    assert notices()[-1].endswith("Choose another classifier, or train it again.")
    assert dock.viability.edits.history.undo_name is None
