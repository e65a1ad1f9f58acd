"""Row by row, a plane has the cells that it has at once, with the same ids, and little is kept."""

import copy

import numpy as np
import pytest
from blobs import LARGE, SHAPE, options
from map_engine import MapEngine, draw
from map_engine import options as map_options

from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.passes import Pass
from napari_centermask.pipeline.plane_cells import find_cells
from napari_centermask.pipeline.plane_rows import PlaneRows, RowCells, RowState
from napari_centermask.pipeline.progress import run_through


def at_once(image, engine, settings, passes):
    plane = ModelInput.of(image, engine.card, settings)
    return run_through(find_cells(plane, engine, settings, passes, min_score=0.3))[0]


def row_by_row(image, engine, settings, passes, *, stop=None, state=None):
    """The cells of all rows, after a copy of the state that a stop after some rows leaves."""
    plane = ModelInput.of(image, engine.card, settings)
    state = state or RowState()
    cells, lines = [], []
    for step in PlaneRows(plane, engine, settings, passes, min_score=0.3, state=state).cells():
        if isinstance(step, RowCells):
            cells += step.cells
            lines.append(step.line)
            assert all(c.box[0] < step.line for c in step.cells)
            if step.row == stop:
                return cells, lines, copy.deepcopy(state)
    return cells, lines, state


def assert_equal(cells, expected):
    assert [c.id for c in cells] == expected.ids
    assert all(c.equals(expected[c.id]) for c in cells)


@pytest.mark.parametrize("tile", [256, 512])
@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_cells_are_those_of_the_whole_plane(fake, tile, jitter):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900, large=LARGE))
    settings = options(tile=tile)
    cells, lines, state = row_by_row(image, fake.engine(jitter=jitter), settings, (Pass(40.0),))
    assert_equal(cells, at_once(image, fake.engine(jitter=jitter), settings, (Pass(40.0),)))
    assert lines == sorted(lines)
    assert lines[-1] == SHAPE[0]
    assert not any(state.waiting.values())


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_cells_that_share_no_pixels_are_those_of_the_whole_plane(noise):
    maps = draw((1500, 900), categories=2, seed=2)[0]
    settings = map_options(tile=256)
    cells, _, _ = row_by_row(maps, MapEngine(categories=("a", "b"), noise=noise), settings, (Pass(30.0),))
    assert len(cells) > 1000
    assert_equal(cells, at_once(maps, MapEngine(categories=("a", "b"), noise=noise), settings, (Pass(30.0),)))


def test_several_passes_have_the_cells_of_the_whole_plane(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 600, large=LARGE))
    settings, passes = options(tile=256), (Pass(40.0), Pass(90.0))
    cells, _, _ = row_by_row(image, fake.engine(), settings, passes)
    assert_equal(cells, at_once(image, fake.engine(), settings, passes))


def test_after_any_row_a_stopped_run_goes_on_to_the_same_cells(fake):
    image = fake.draw(SHAPE, fake.place(SHAPE, 900, large=LARGE))
    settings, passes = options(tile=256), (Pass(40.0),)
    expected = at_once(image, fake.engine(), settings, passes)
    for stop in range(6):
        before, _, state = row_by_row(image, fake.engine(), settings, passes, stop=stop)
        rest, _, _ = row_by_row(image, fake.engine(), settings, passes, state=state)
        assert_equal(before + rest, expected)


def test_only_cells_at_the_edge_of_a_row_wait(fake):
    image = fake.draw((3000, 700), fake.place((3000, 700), 900, radii=(8, 14)))
    settings, passes = options(tile=256), (Pass(40.0),)
    total = len(at_once(image, fake.engine(), settings, passes))
    most = max(
        sum(map(len, row_by_row(image, fake.engine(), settings, passes, stop=stop)[2].waiting.values()))
        for stop in range(5)
    )
    assert most < total / 8


def test_a_blank_plane_has_no_rows(fake):
    cells, lines, _ = row_by_row(np.zeros((1, 300, 300), np.uint8), fake.engine(), options(), (Pass(40.0),))
    assert cells == lines == []
