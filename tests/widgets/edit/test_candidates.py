"""Candidates that were missed: shown as candidates, accepted or rejected with a key, in step with every edit."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.missed import missed
from napari_centermask.core.result import Result
from napari_centermask.widgets.edit.candidates import candidates_of
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.gui
SHOWN, WEAK = [(20, 20), (20, 60)], {3: (60, 20, 0.45), 4: (60, 60, 0.4), 5: (60, 100, 0.3), 6: (20, 64, 0.2)}


def square(id, y, x, score):
    return Instance(id, y - 5, x - 5, np.ones((11, 11), bool), score=score)


@pytest.fixture
def edits(bare_viewer):
    """Two planes, in each two cells shown, three missed (3, 4, 5), and one that a shown cell covers (6)."""
    result = Result((80, 128), leading=(2,), threshold=0.5)
    for z, first in ((0, 0), (1, 10)):
        cells = [square(first + k, *p, 0.9) for k, p in enumerate(SHOWN, start=1)]
        cells += [square(first + k, y, x, score) for k, (y, x, score) in WEAK.items()]
        result.put((z,), Instances((80, 128), cells), keep_ids=True)
    source = bare_viewer.add_image(np.zeros((2, 80, 128), np.uint8), name="image")
    session_of(bare_viewer).attach(source, ImagePlanes.of(source), result)
    bare_viewer.dims.set_current_step(0, 0)
    edits = edit_session_of(session_of(bare_viewer), source)
    edits.activate()
    return edits


def ids(candidates):
    return [i.id for i in candidates.cells]


def agrees(edits):
    """The candidates are those of a look at the whole plane, and so is what is drawn."""
    candidates = candidates_of(edits)
    expected = missed(edits.result, edits.current_plane)
    covered = np.zeros((80, 128), bool)
    for cell in expected:
        covered[cell.y0 : cell.box[2], cell.x0 : cell.box[3]] = True
    data = candidates.layer.data
    inside = all((data[c.y0 : c.box[2], c.x0 : c.box[3]] > 0).any() for c in expected)
    return ids(candidates) == [i.id for i in expected] and inside and not data[~covered].any()


def test_candidates_are_what_the_model_was_unsure_of_and_nothing_covers(edits, bare_viewer, notices):
    candidates = candidates_of(edits)
    assert not candidates.is_shown
    candidates.show()
    assert ids(candidates) == [3, 4, 5]
    assert agrees(edits)
    assert candidates.current.id == 3
    assert "3 low-confidence candidates: Y accepts" in notices()[-1]
    assert candidates.layer in bare_viewer.layers
    assert not candidates.layer.editable
    candidates.hide()
    assert [layer.name for layer in bare_viewer.layers if "candidates" in layer.name] == []


def test_accepting_makes_a_cell_of_it_and_continues(edits):
    candidates = candidates_of(edits)
    candidates.show()
    candidates.accept()
    assert edits.result.get((0,), 3).status == "accepted"
    assert edits.result.shows(edits.result.get((0,), 3))
    assert edits.history.undo_name == "acceptance of cell 3"
    assert ids(candidates) == [4, 5]
    assert candidates.current.id == 4
    assert agrees(edits)
    edits.undo()
    assert ids(candidates) == [3, 4, 5]
    assert agrees(edits)


def test_rejecting_says_it_is_not_a_cell_and_it_does_not_come_back(edits):
    candidates = candidates_of(edits)
    candidates.show()
    candidates.next()
    candidates.reject()
    assert edits.result.get((0,), 4).status == "rejected"
    assert candidates.current.id == 5
    candidates.hide()
    candidates.show()
    assert ids(candidates) == [3, 5]


def test_all_can_be_accepted_as_one_edit(edits):
    candidates = candidates_of(edits)
    candidates.show()
    candidates.accept_all()
    assert ids(candidates) == []
    assert candidates.current is None
    assert edits.result.n_visible((0,)) == 5
    edits.undo()
    assert edits.result.n_visible((0,)) == 2


def test_nobody_accepts_what_is_not_shown_and_an_empty_plane_says_so(edits, notices):
    candidates = candidates_of(edits)
    candidates.accept_all()
    assert candidates.is_shown
    assert edits.result.n_visible((0,)) == 2
    candidates.accept_all()
    for act in (candidates.accept_all, candidates.next, candidates.accept, candidates.reject):
        before = len(notices())
        act()
        assert notices()[before:] == ["There are no low-confidence candidates in this plane."]


def test_candidates_follow_other_edits(edits):
    candidates = candidates_of(edits)
    candidates.show()
    edits.add(np.ones((11, 11), bool), (55, 55))  # over candidate 4
    assert ids(candidates) == [3, 5]
    assert agrees(edits)
    edits.run_tool("delete", ids=(2,))  # it covered candidate 6
    assert ids(candidates) == [3, 5, 6]
    assert agrees(edits)
    edits.undo()
    edits.undo()
    assert ids(candidates) == [3, 4, 5]
    assert agrees(edits)


def test_candidates_follow_the_plane_and_the_threshold(edits, bare_viewer):
    candidates = candidates_of(edits)
    candidates.show()
    bare_viewer.dims.set_current_step(0, 1)
    assert ids(candidates) == [13, 14, 15]
    assert agrees(edits)
    edits.session.set_threshold(edits.source, 0.35)
    assert ids(candidates) == [15]
    assert agrees(edits)


@pytest.mark.parametrize("what", ["layer", "active", "image"])
def test_deleting_a_layer_ends_the_candidates_without_harm(edits, bare_viewer, what, qtbot):
    candidates = candidates_of(edits)
    candidates.show()
    bare_viewer.layers.remove({"layer": candidates.layer, "active": edits.active.layer, "image": edits.source}[what])
    assert not candidates.is_shown
    qtbot.wait(1)  # layers go once napari has removed its own
    assert not any("candidates" in layer.name for layer in bare_viewer.layers)


def test_thousands_of_candidates_are_drawn_at_once(bare_viewer):
    rng = np.random.default_rng(0)
    places = rng.integers(6, 990, (3000, 2))
    cells = [square(k, y, x, 0.3) for k, (y, x) in enumerate(places.tolist(), start=1)]
    result = Result((1000, 1000), threshold=0.5)
    result.put((), Instances((1000, 1000), cells), keep_ids=True)
    source = bare_viewer.add_image(np.zeros((1000, 1000), np.uint8))
    session_of(bare_viewer).attach(source, ImagePlanes.of(source), result)
    edits = edit_session_of(session_of(bare_viewer), source)
    candidates = candidates_of(edits)
    candidates.show()
    assert ids(candidates) == [i.id for i in missed(result, ())]
    first = candidates.current.id
    candidates.accept()
    assert result.get((), first).status == "accepted"
