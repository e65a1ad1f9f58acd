"""What a watched run reports."""

from napari_centermask.events import ComparisonEvent, DoneEvent, EvaluationEvent, StartEvent, StepEvent
from napari_centermask.widgets.training.run_watch import current


def test_a_comparison_of_an_earlier_session_is_left_out():
    session = [StartEvent(), StepEvent(), ComparisonEvent(), DoneEvent()]
    assert current(session) == session
    again = [StartEvent(), EvaluationEvent()]
    assert [e.event for e in current(session + again)] == ["start", "step", "done", "start", "evaluation"]
    assert current([]) == []
