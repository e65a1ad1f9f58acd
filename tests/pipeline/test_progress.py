"""Generators report how far they are, run to their end, or become parts of a larger one."""

import pytest

from napari_centermask.pipeline.progress import Progress, run_through, scaled_to


def steps():
    yield Progress(1, 4, "Tile 1")
    yield Progress(3, 4, "Tile 3")
    return "cells"


def test_the_part_done_is_0_while_the_total_is_unknown():
    assert [Progress(1, 4, "").part, Progress(1, 0, "").part] == [0.25, 0]


def test_a_generator_that_is_run_through_gives_its_value():
    assert run_through(steps()) == "cells"


def test_a_part_of_several_counts_on_from_those_before():
    whole = scaled_to(steps(), 2, 5, "Plane 3. ")
    assert next(whole) == Progress(2.25, 5, "Plane 3. Tile 1")
    assert next(whole) == Progress(2.75, 5, "Plane 3. Tile 3")
    with pytest.raises(StopIteration) as end:
        next(whole)
    assert end.value.value == "cells"
