"""What runs in the worker thread, without Qt: cells and progress come out, and faults as values."""

import numpy as np
import pytest

from napari_centermask.core.errors import UserError
from napari_centermask.pipeline import Plane, PlaneCells
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.work.tasks import Failed, Finished, answer_for, run


def to_the_end(steps):
    """What a generator yields, and what it returns."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


def test_a_run_gives_the_cells_of_each_plane_and_says_which_were_left_out(engine, discs):
    planes = [Plane((0,), discs()[None]), Plane((1,), np.zeros((1, 128, 128), np.float32))]
    seen, end = to_the_end(run(planes, SegmentSettings(model="fake", diameter=20.0)))
    assert [(s.plane.index, len(s.cells)) for s in seen if isinstance(s, PlaneCells)] == [((0,), 3), ((1,), 0)]
    assert isinstance(end, Finished)
    assert (end.engine, end.diameter, end.n_planes) == ("fake", 20.0, 2)
    (left_out,) = end.left_out
    assert left_out.startswith("1: ")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("There is no model."), "There is no model."),
        (RuntimeError("first line\nsecond"), "The network could not run: first line. Try again."),
        (MemoryError(), "The network could not run: MemoryError. Try again."),
    ],
)
def test_what_a_person_can_mend_becomes_a_value(error, message):
    def steps():
        yield 1
        raise error

    assert to_the_end(answer_for(steps(), then="Try again.")) == ([1], Failed(message))


def test_a_fault_of_ours_passes():
    def steps():
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        to_the_end(answer_for(steps()))
