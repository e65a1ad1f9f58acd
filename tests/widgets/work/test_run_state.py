"""What a dock shows of a training, from its events."""

from __future__ import annotations

import pytest

from napari_centermask.events import (
    DoneEvent,
    EvaluationEvent,
    InstalledEvent,
    PausedEvent,
    ResumedEvent,
    StageEvent,
    StartEvent,
    StepEvent,
)
from napari_centermask.widgets.work.run_state import RunState, rest_of


def fed(*events):
    run = RunState(state="running")
    for event in events:
        run.feed(event)
    return run


def stage(name, time=0.0):
    return StageEvent(name=name, time=time)


def step(n, part, seconds_left, time=0.0):
    return StepEvent(step=n, part=part, seconds_left=seconds_left, time=time)


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


def started(**fields):
    return StartEvent(steps=100, evaluate_every=20, **fields)


def test_the_time_left_counts_the_evaluations_and_the_comparison_from_the_first_steps_on():
    before = (started(compares=True, time=0.0), stage("evaluating", 0.0), evaluation(0, 30.0), stage("training", 30.0))
    assert "measuring the time of a step" in fed(*before).title
    run = fed(*before, step(10, 0.1, 90, 70.0))
    assert run.time_left == 90 + 5 * 30 + 8 * 30  # at 20 to 100, and the comparison at the end
    assert run.title.endswith("step 10 of 100 · 70 s so far · about 8 min left")


def test_a_time_limit_that_will_end_the_run_early_is_told_with_the_step():
    run = fed(started(minutes=5), stage("training"), step(4, 0.5, 120))
    assert "the time limit ends it near step 8 · about 2 min left" in run.title
    assert "time limit" not in fed(started(minutes=5), stage("training"), step(50, 0.51, 120)).title


def test_a_run_that_was_cut_short_says_what_it_did_and_what_is_left():
    cut = StepEvent(step=5, part=1.0, seconds=300.0, time=1000.0), DoneEvent(step=5, limited=True, time=1010.0)
    run = fed(
        started(minutes=5, time=0.0), stage("training", 100.0), *cut
    )  # 5 minutes of computing took 15 on a busy machine
    run.state = "done"
    assert run.title == "Ended by its time limit · step 5 of 100 · took 17 min"
    assert rest_of(run) == "95 steps, about 4 h 45 min as measured, and the evaluations"
    assert run.part == 0.05
    run.feed(started())  # it goes on
    assert rest_of(run) == ""


def test_an_ended_run_says_what_it_took_by_the_clock_without_pauses_and_what_lay_between_sessions():
    one = (started(time=0.0), stage("training", 60.0), step(10, 0.1, 90, 160.0), PausedEvent(time=170.0))
    two = (ResumedEvent(time=900.0), step(20, 0.2, 80, 1000.0), DoneEvent(step=20, stopped=True, time=1030.0))
    run = fed(*one, *two)
    assert run.title == "Training · step 20 of 100 · 5 min so far"
    run.state = "stopped"
    assert run.title == "Stopped; Continue goes on · step 20 of 100 · took 5 min"
    run.feed(InstalledEvent(name="mine", time=9000.0))
    assert run.title.endswith("took 5 min")
    again = (StartEvent(step=20, steps=100, time=9500.0), stage("training", 9510.0), step(100, 1.0, 0, 9900.0))
    for event in (*again, stage("comparing", 9900.0), DoneEvent(step=100, time=10100.0)):
        run.feed(event)
    run.state = "done"
    assert run.title == "Finished · step 100 of 100 · took 15 min"
    assert run.time.of_a_step == (100 + 100 + 390) / 100


def test_a_pause_does_not_make_steps_seem_slow():
    steps = (
        StepEvent(step=5, time=10.0),
        PausedEvent(time=10.0),
        ResumedEvent(time=999.0),
        StepEvent(step=10, time=1009.0),
    )
    run = fed(started(), stage("training", 0.0), *steps)
    assert run.seconds_of_rest == 90 * 20 / 10


def test_an_earlier_session_that_got_further_is_cut_back():
    from napari_centermask.widgets.work.run_state import RunState

    run = RunState()
    for step in (10, 20, 30, 20, 30):
        run.feed(StepEvent(step=step, losses={"loss": step / 10}, part=2))
    assert run.losses["loss"].steps == [10, 20, 30]
    assert run.seconds_left is None
    assert run.part == 1.0


def test_minutes_of_training_lie_between_those_that_were_recorded():
    reports = StepEvent(step=20, part=0.2, seconds=60.0), StepEvent(step=40, part=0.4, seconds=180.0)
    run = fed(reports[0], EvaluationEvent(step=30, AP=0.5, seconds=99.0, training_seconds=90.0), reports[1])
    assert run.minutes([0, 10, 20, 30, 35, 40]) == [0.0, 0.5, 1.0, 1.5, 2.25, 3.0]


def test_evaluations_of_earlier_versions_have_the_time_of_the_losses_around_them():
    run = fed(StepEvent(step=20, seconds=60.0), EvaluationEvent(step=30, AP=0.5), StepEvent(step=40, seconds=180.0))
    assert run.minutes(run.scores["AP"].steps) == [2.0]


def test_the_time_of_steps_that_were_lost_is_forgotten():
    run = fed(StepEvent(step=20, seconds=60.0), StepEvent(step=40, seconds=180.0), StepEvent(step=30, seconds=70.0))
    assert (run.clock.steps, run.clock.values) == ([20, 30], [60.0, 70.0])
