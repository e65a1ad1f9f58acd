"""Boxes and clicks that the model answers, off the GUI thread."""

from __future__ import annotations

import numpy as np
import pytest
from corrected_cells import drawn, is_disc

from napari_centermask.widgets.edit.correction import perform
from napari_centermask.widgets.edit.drawing import drawing_in
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.prompt import prompts_of
from napari_centermask.widgets.edit.prompt_work import Request

pytestmark = pytest.mark.gui


def test_a_box_becomes_a_selected_cell_that_can_be_undone(begin, ask):
    edits = begin()
    (cell,) = ask(edits, Request("box", (20, 20, 41, 41), ()))
    assert is_disc(cell, 30, 30)
    assert (cell.status, cell.source) == ("predicted", "fake by box")
    assert cell.score == cell.mask_quality < 1
    assert edits.selected == (cell.id,)
    assert edits.history.undo_name == f"new cell {cell.id}"
    edits.undo()
    assert len(edits.result) == 0
    assert edits.selected == ()


def test_a_click_becomes_a_cell_and_one_beside_all_cells_says_so(begin, ask, notices):
    edits = begin()
    assert [is_disc(c, 30, 90) for c in ask(edits, Request("click", (31.0, 88.0), ()))] == [True]
    answers = []
    prompts_of(edits).answered.connect(answers.append)
    assert len(ask(edits, Request("click", (5.0, 5.0), ()))) == 1
    assert answers == [None]
    assert "no cell there" in notices()[-1]


def test_the_first_prompt_alone_says_that_it_waits_for_the_model(begin, ask, notices):
    edits = begin()
    ask(edits, Request("click", (30.0, 30.0), ()))
    ask(edits, Request("click", (30.0, 90.0), ()))
    assert len([text for text in notices() if text.startswith("Loading ")]) == 1


def test_questions_are_answered_one_after_another_in_their_order(begin, ask):
    edits = begin()
    cells = ask(edits, *(Request("click", p, ()) for p in [(30.0, 30.0), (30.0, 90.0), (90.0, 50.0)]))
    assert [is_disc(c, *p) for c, p in zip(cells, [(30, 30), (30, 90), (90, 50)], strict=True)] == [True] * 3


def test_the_network_runs_once_for_prompts_at_one_place(begin, ask, engine):
    edits = begin()
    ask(edits, Request("prepare", (64.0, 64.0), ()))
    before = engine.calls
    ask(
        edits, Request("click", (30.0, 30.0), ()), Request("box", (20, 80, 41, 101), ()), Request("click", (90, 50), ())
    )
    assert engine.calls == before


def test_drawing_again_in_the_new_cells_place_redraws_it(begin, ask):
    edits = begin()
    (first,) = ask(edits, Request("box", (20, 20, 41, 34), ()))
    (cell,) = ask(edits, Request("box", (20, 20, 41, 41), ()))
    assert cell.id == first.id
    assert is_disc(cell, 30, 30)
    assert edits.history.undo_name == f"redrawing of cell {cell.id}"
    edits.undo()
    assert edits.result.get((), first.id).equals(first)
    assert len(ask(edits, Request("click", (90.0, 50.0), ()))) == 2


def test_a_selected_cell_is_redrawn_by_a_box(begin, ask, bare_viewer, qtbot):
    edits = begin()
    edits.add(np.ones((30, 8), bool), (16, 25))
    (id,) = edits.selected
    edits.select(())
    edits.select((id,))
    prompts_of(edits).draw("box", replace_id=id)
    drawn(edits, bare_viewer, (19.5, 19.5), (40.5, 40.5))
    assert drawing_in(bare_viewer) is None
    (cell,) = ask(edits)
    assert cell.id == id
    assert is_disc(cell, 30, 30)


def test_points_refine_a_draft_step_by_step_and_undo_takes_the_last_back(begin, ask, bare_viewer):
    edits = begin()
    prompts_of(edits).draw("box")
    drawing = drawing_in(bare_viewer)
    (first,) = ask(edits, Request("box", (20, 20, 41, 34), ()))
    drawing.on_mark(np.array([30.0, 38.0]), True)
    (more,) = ask(edits)
    assert (more.id, more.status) == (first.id, "predicted")
    assert is_disc(more, 30, 30)
    drawing.on_mark(np.array([23.0, 30.0]), False)
    (less,) = ask(edits)
    assert less.area < more.area
    points = prompts_of(edits).points
    assert (points.of(less).inside, points.of(less).outside) == (((30.0, 38.0),), ((23.0, 30.0),))
    assert len(drawing.layer.data) == 2  # both are marked on the canvas
    edits.undo()
    assert points.of(edits.cell).outside == ()
    assert len(drawing.layer.data) == 1
    edits.undo()
    assert edits.cell.equals(first)


def test_a_box_around_a_refined_draft_keeps_its_points(begin, ask, bare_viewer):
    edits = begin()
    prompts_of(edits).draw("box")
    drawing = drawing_in(bare_viewer)
    ask(edits, Request("box", (20, 20, 41, 41), ()))
    drawing.on_mark(np.array([23.0, 30.0]), False)
    (less,) = ask(edits)
    drawn(edits, bare_viewer, (19.5, 19.5), (40.5, 40.5))
    (again,) = ask(edits)
    assert again.id == less.id
    assert not again.mask[23 - again.y0, 30 - again.x0]


def test_a_point_beside_all_cells_begins_one_and_one_that_removes_says_what_to_do(begin, ask, bare_viewer, notices):
    edits = begin()
    prompts_of(edits).draw("click")
    drawing_in(bare_viewer).on_mark(np.array([30.0, 30.0]), False)
    assert "first" in notices()[-1]
    drawing_in(bare_viewer).on_mark(np.array([30.0, 30.0]), True)
    assert is_disc(ask(edits)[0], 30, 30)


def test_several_cells_are_redrawn_where_they_are_as_one_edit(begin, ask, notices):
    edits = begin()
    made = [edits.add(np.ones((19, 19), bool), at) for at in ((21, 21), (21, 81), (100, 100))]
    edits.select(cell.id for cell in made)
    perform(edits, KEYS.actions["prompt_redraw"])
    first, second, missed = ask(edits)
    assert is_disc(first, 30, 30)
    assert is_disc(second, 30, 90)
    assert missed.equals(made[2])
    assert edits.history.undo_name == "redrawing of 2 cells"
    assert "nothing in 1 cell" in notices()[-1]
    edits.undo()
    assert [edits.result.get((), cell.id).equals(cell) for cell in made] == [True] * 3


def test_a_draft_stays_predicted_until_it_is_accepted_or_changed(begin, ask):
    edits = begin()
    edits.result.threshold = 0.99
    (draft,) = ask(edits, Request("box", (20, 20, 41, 41), ()))
    assert edits.result.shows(draft)  # a person asked for it, whatever its score
    edits.run_tool("accept")
    assert edits.cell.status == "accepted"
    edits.undo()
    edits.run_tool("grow", n=2)
    assert edits.cell.status == "corrected"


def test_a_cell_that_the_model_redraws_waits_for_judgement_again(begin, ask):
    edits = begin()
    cell = edits.add(np.ones((30, 8), bool), (16, 25))
    (redrawn,) = ask(edits, Request("box", (20, 20, 41, 41), (), cell.id))
    assert (redrawn.id, redrawn.status, redrawn.score) == (cell.id, "predicted", redrawn.mask_quality)


def test_the_key_of_accept_accepts_the_draft_and_the_box_stays_in_hand(begin, ask):
    edits = begin()
    prompts_of(edits).draw("box")
    (draft,) = ask(edits, Request("box", (20, 20, 41, 41), ()))
    layer = drawing_in(edits.session.viewer).layer
    next(act for key, act in layer.keymap.items() if str(key) == "A")(layer)
    assert edits.result.get((), draft.id).status == "accepted"
    assert drawing_in(edits.session.viewer) is not None


def test_the_key_of_accept_leaves_a_draft_that_you_left_before(begin, ask):
    edits = begin()
    (draft,) = ask(edits, Request("box", (20, 20, 41, 41), ()))
    other = edits.add(np.ones((9, 9), bool), (100, 100))
    edits.select((other.id,))
    prompts_of(edits).draw("box")
    layer = drawing_in(edits.session.viewer).layer
    next(act for key, act in layer.keymap.items() if str(key) == "A")(layer)
    assert edits.result.get((), draft.id).status == "predicted"


def test_a_missing_model_is_reported(begin, ask, monkeypatch, notices):
    from napari_centermask.core.errors import BadModel
    from napari_centermask.widgets.edit import prompt_work

    def missing(settings):
        raise BadModel("There is no model.")

    monkeypatch.setattr(prompt_work, "cached_engine", missing)
    assert ask(begin(), Request("click", (30.0, 30.0), ())) == []
    assert "There is no model." in notices()[-1]


def test_an_image_without_a_run_is_asked_with_the_model_in_use(begin, ask, bare_viewer, engine, monkeypatch):
    from napari_centermask.widgets.edit import prompt_work
    from napari_centermask.widgets.viewer.state import state_of

    asked = []
    monkeypatch.setattr(prompt_work, "cached_engine", lambda settings: asked.append(settings.model) or engine)
    edits = begin()
    edits.shown.settings = None  # as for cells of a project
    state_of(bare_viewer).in_use.choose("cells")
    ask(edits, Request("click", (30.0, 30.0), ()))
    assert asked == ["cells"]


def test_an_image_that_is_removed_meanwhile_gets_no_cell(begin, bare_viewer, engine, qtbot):
    edits = begin()
    engine.gate.clear()
    prompts_of(edits).ask(Request("click", (30.0, 30.0), ()))
    assert engine.entered.wait(20)
    bare_viewer.layers.remove(edits.source)
    engine.gate.set()
    qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
    assert len(edits.result) == 0


def test_an_answer_leaves_the_cell_and_the_stroke_that_you_paint_meanwhile(begin, engine, qtbot):
    edits = begin()
    mine = edits.add(np.ones((9, 9), bool), (100, 100))
    engine.gate.clear()
    prompts_of(edits).ask(Request("box", (20, 20, 41, 41), ()))
    edits.select((mine.id,))
    edits.active.layer.mode = "paint"
    edits.active._stroke = True
    engine.gate.set()
    qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)
    assert len(edits.result) == 1
    edits.active._stroke = False
    qtbot.waitUntil(lambda: len(edits.result) == 2, timeout=5_000)
    assert edits.selected == (mine.id,)
    assert edits.active.layer.mode == "paint"


@pytest.fixture
def meanwhile(engine, qtbot):
    """Ask the model, and do something before it answers."""

    def meanwhile(edits, request, act):
        engine.gate.clear()
        prompts_of(edits).ask(request)
        act()
        engine.gate.set()
        qtbot.waitUntil(lambda: not prompts_of(edits).is_busy, timeout=20_000)

    return meanwhile


def test_a_point_keeps_what_you_paint_before_it_is_answered(begin, meanwhile):
    edits = begin()
    id = edits.add(np.ones((10, 21), bool), (20, 20)).id
    stroke = {"mask": np.ones((10, 41), bool), "origin": (20, 20)}
    meanwhile(edits, Request("point", (38.0, 30.0), (), id), lambda: edits.run_tool("redraw", (id,), **stroke))
    cell = edits.result.get((), id)
    assert cell.mask[28 - cell.y0, 58 - cell.x0]
    assert cell.mask[38 - cell.y0, 30 - cell.x0]


def test_a_point_does_not_bring_back_a_cell_that_you_delete_before_it_is_answered(begin, meanwhile, notices):
    edits = begin()
    id = edits.add(np.ones((10, 21), bool), (20, 20)).id
    meanwhile(edits, Request("point", (38.0, 30.0), (), id), lambda: edits.run_tool("delete", (id,)))
    assert len(edits.result) == 0
    assert "is gone" in notices()[-1]


@pytest.mark.parametrize("kind", ["box", "click"])
def test_a_redrawing_makes_no_new_cell_of_one_that_you_delete_before_it_is_answered(begin, meanwhile, notices, kind):
    edits = begin()
    id = edits.add(np.ones((10, 21), bool), (20, 20)).id
    where = (20.0, 20.0, 41.0, 41.0) if kind == "box" else (30.0, 30.0)
    meanwhile(edits, Request(kind, where, (), id), lambda: edits.run_tool("delete", (id,)))
    assert len(edits.result) == 0
    assert "is gone" in notices()[-1]


@pytest.mark.parametrize("status", ["accept", "reject"])
def test_a_draft_that_you_judge_before_its_point_is_answered_stays_judged(begin, ask, meanwhile, status):
    edits = begin()
    (draft,) = ask(edits, Request("box", (20, 20, 41, 34), ()))
    point = Request("point", (30.0, 38.0), (), draft.id)
    meanwhile(edits, point, lambda: edits.run_tool(status, (draft.id,)))
    cell = edits.result.get((), draft.id)
    assert cell.status == {"accept": "accepted", "reject": "rejected"}[status]
    assert is_disc(cell, 30, 30)  # with what you asked for


def test_an_accepted_cell_that_you_refine_waits_for_judgement_again(begin, ask):
    edits = begin()
    (draft,) = ask(edits, Request("box", (20, 20, 41, 34), ()))
    edits.run_tool("accept", (draft.id,))
    (more,) = ask(edits, Request("point", (30.0, 38.0), (), draft.id))
    assert more.status == "predicted"


@pytest.mark.parametrize("again", [Request("box", (20, 20, 41, 41), ()), Request("boxes", (), (), ids=(1,))])
def test_a_draft_that_you_accept_before_it_is_redrawn_stays_accepted(begin, ask, meanwhile, again):
    edits = begin()
    (draft,) = ask(edits, Request("box", (20, 20, 41, 36), ()))
    assert draft.id == 1
    meanwhile(edits, again, lambda: edits.run_tool("accept", (1,)))
    (cell,) = edits.result
    assert (cell.id, cell.status) == (1, "accepted")
    assert cell.area > draft.area


def test_what_is_painted_last_does_not_break_redrawing_several_and_deleted_cells_stay_deleted(
    begin, meanwhile, notices
):
    edits = begin()
    first, second, gone = (edits.add(np.ones((19, 19), bool), at).id for at in ((21, 21), (21, 81), (100, 100)))
    edits.select((first,))

    def act():
        edits.run_tool("delete", (gone,))
        edits.select((first,))
        edits.active.layer.mode = "paint"
        edits.active.layer.paint((62, 62), 1)  # applied in a turn of its own

    meanwhile(edits, Request("boxes", (), (), ids=(first, second, gone)), act)
    assert is_disc(edits.result.get((), first), 30, 30)
    assert is_disc(edits.result.get((), second), 30, 90)
    assert edits.result.get((), gone) is None
    assert edits.history.undo_name == "redrawing of 2 cells"
    assert not any("stays as it was" in text for text in notices())
