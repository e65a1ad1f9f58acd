"""Live curves are drawn as rarely as the eye allows, over steps or over the time of training."""

from __future__ import annotations

import time

import pytest

from napari_centermask.events import EvaluationEvent, StepEvent


def test_curves_are_drawn_at_most_four_times_a_second(qtbot):
    from napari_centermask.widgets.parts.curves import Curves
    from napari_centermask.widgets.work.run_state import RunState

    curves, run = Curves(), RunState()
    qtbot.addWidget(curves)
    start = time.monotonic()
    while (seconds := time.monotonic() - start) < 1.1:
        run.feed(StepEvent(step=run.step + 1, losses={"loss": 1.0}))
        curves.show_state(run)
        qtbot.wait(10)
    assert 2 <= curves.redraws <= 4 * seconds + 1
    assert curves.plots[0].lines["loss"].getData()[0][-1] > 10


def test_a_step_draws_the_window_once_and_only_what_is_new(qtbot):
    from qtpy.QtCore import QEvent, QObject

    from napari_centermask.widgets.parts.curves import Curves
    from napari_centermask.widgets.work.run_state import RunState

    class Paints(QObject):
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.Paint:
                names.append(seen[watched])
            return False

    curves, run, names, paints = Curves(), RunState(steps=100), [], Paints()
    qtbot.addWidget(curves)
    seen = {curves.plots[0].widget.viewport(): "losses", curves.plots[1].widget.viewport(): "scores"}
    with qtbot.waitExposed(curves):
        curves.show()
    run.feed(EvaluationEvent(step=1, AP=0.1))
    for widget in seen:
        widget.installEventFilter(paints)
    for step in (1, 2, 3):
        names.clear()
        run.feed(StepEvent(step=step, losses={"loss": 0.5**step}))
        curves.show_state(run)
        qtbot.wait(2 * curves._timer.interval())
    assert names == ["losses"]


@pytest.fixture
def curves(qtbot):
    from napari_centermask.widgets.parts.curves import Curves

    shown = Curves()
    qtbot.addWidget(shown)
    return shown


def run(*events):
    from napari_centermask.widgets.work import run_state

    state = run_state.RunState(steps=100)
    for event in events:
        state.feed(event)
    return state


def x_of(curves, plot, name):
    return curves.plots[plot].lines[name].getData()[0].tolist()


def test_ap_is_drawn_over_steps_or_over_minutes(curves):
    losses = [StepEvent(step=s, seconds=3.0 * s, losses={"loss": 1 / s}) for s in (20, 40)]
    scores = EvaluationEvent(step=40, AP=0.5, training_seconds=120.0)
    curves.show_state(run(*losses, scores))
    assert x_of(curves, 0, "loss") == [20, 40]
    assert curves.plots[1].widget.viewRange()[0][1] > 100  # as far as the run will go
    curves.over_time.click()
    assert x_of(curves, 0, "loss") == [1.0, 2.0]
    assert x_of(curves, 1, "AP") == [2.0]
    assert curves.plots[1].widget.viewRange()[0][1] < 3
    curves.over_time.click()
    assert x_of(curves, 1, "AP") == [40]


def test_where_no_time_was_recorded_the_choice_is_disabled_and_says_why(curves, qtbot):
    curves.show_state(run(EvaluationEvent(step=40, AP=0.5, training_seconds=120.0)))
    curves.over_time.click()
    qtbot.waitUntil(lambda: not curves._timer.isActive())
    curves.show_state(run(EvaluationEvent(step=30, AP=0.5)))
    assert not curves.over_time.isEnabled()
    assert "recorded" in curves.over_time.toolTip()
    assert x_of(curves, 1, "AP") == [30]
