"""What a dock shows of a training, from its events."""

from __future__ import annotations

import pytest

from napari_centermask.events import EvaluationEvent, StageEvent, StepEvent
from napari_centermask.widgets.work.run_state import RunState


def fed(*events):
    run = RunState(state="running")
    for event in events:
        run.feed(event)
    return run


def stage(name, time=0.0):
    return StageEvent(name=name, time=time)


def step(n, part, seconds_left):
    return StepEvent(step=n, part=part, seconds_left=seconds_left)


def evaluation(n, time):
    return EvaluationEvent(step=n, AP=0.5, time=time)


@pytest.mark.parametrize("name", ["evaluating", "comparing"])
def test_other_stages_than_training_show_no_time_left(name):
    run = fed(stage("training"), step(100, 1.0, 0))
    assert run.title.endswith("0 s left")
    run.feed(stage(name))
    assert "left" not in run.title
    assert run.title.startswith(name.capitalize())


def test_the_time_left_counts_evaluations_as_long_and_as_frequent_as_those_before():
    first = (stage("evaluating", 0.0), evaluation(0, 30.0), stage("training", 30.0), step(10, 0.1, 90))
    assert fed(*first).time_left == 90  # how often it evaluates is not known yet
    second = (*first, step(20, 0.2, 80), stage("evaluating", 50.0), evaluation(20, 60.0), stage("training", 60.0))
    assert fed(*second, step(25, 0.25, 75)).time_left == 75 + 4 * 10  # at 40, 60, 80 and 100
    assert fed(*second, step(90, 0.9, 10)).time_left == 10 + 10
    assert fed(*second, step(100, 1.0, 0)).time_left == 0


def test_an_earlier_session_that_got_further_is_cut_back():
    from napari_centermask.widgets.work.run_state import RunState

    run = RunState()
    for step in (10, 20, 30, 20, 30):
        run.feed(StepEvent(step=step, losses={"loss": step / 10}, part=2))
    assert run.losses["loss"].steps == [10, 20, 30]
    assert run.seconds_left is None
    assert run.part == 1.0
