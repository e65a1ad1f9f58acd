"""What a watched run reports."""

from napari_centermask.widgets.training.run_watch import current


def test_a_comparison_of_an_earlier_sitting_is_left_out():
    kinds = ["start", "step", "comparison", "done"]
    sitting = [{"event": kind} for kind in kinds]
    assert current(sitting) == sitting
    again = [{"event": "start"}, {"event": "evaluation"}]
    assert [e["event"] for e in current(sitting + again)] == ["start", "step", "done", "start", "evaluation"]
    assert current([]) == []
