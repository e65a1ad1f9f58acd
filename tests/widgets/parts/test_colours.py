"""Colours of cells and categories."""

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.parts.colours import category_colour, cells_colormap, score_colour


def test_a_category_has_the_colour_that_a_person_chose_or_one_of_eight():
    np.testing.assert_allclose(category_colour(1), [255 / 255, 209 / 255, 102 / 255, 1])
    np.testing.assert_allclose(category_colour(2, {2: "#000033"}), [0, 0, 0.2, 1])
    np.testing.assert_array_equal(category_colour(9), category_colour(1))
    assert len({tuple(category_colour(k)) for k in range(1, 9)}) == 8


def test_scores_go_from_red_over_yellow_to_green():
    red, yellow, green = (score_colour(s)[:3] for s in (0, 0.62, 1))
    np.testing.assert_allclose(red, [0.95, 0.95 * 0.25, 0.95 * 0.25])
    assert yellow[0] > 0.9
    assert yellow[1] > 0.9
    assert green[1] == green.max() > green[0]
    np.testing.assert_array_equal(score_colour(7), score_colour(1))


@pytest.fixture
def result():
    result = Result((20, 20))
    cells = [
        Instance(id, 0, 0, np.ones((3, 3), bool), category=category, score=score)
        for id, category, score in ((1, 1, 0.2), (7, 2, 0.9), (40_000, 3, 0.5))
    ]
    result.put((), Instances((20, 20), cells), keep_ids=True)
    return result


@pytest.mark.parametrize("mode", ["category", "score"])
def test_each_id_has_its_cells_colour(result, mode):
    colormap = cells_colormap(result, mode)
    for cell in result:
        wanted = category_colour(cell.category) if mode == "category" else score_colour(cell.score)
        np.testing.assert_allclose(colormap.map(cell.id), wanted, atol=1e-6)
    assert colormap.map(0)[3] == 0


def test_without_cells_there_is_a_colormap_too():
    assert cells_colormap(Result((20, 20)), "category").map(0)[3] == 0


def test_a_track_has_one_colour_in_all_frames_and_cells_on_none_are_grey():
    result = Result((20, 20), leading=(2,))
    for at, id, track in ((0, 1, 7), (0, 2, 8), (1, 3, 7), (1, 4, 0)):
        result.set((at,), id, Instance(id, 2 * id, 2, np.ones((2, 2), bool), track=track))
    colours = cells_colormap(result, "track").colors
    np.testing.assert_allclose(colours[1], colours[3])
    assert np.abs(colours[1] - colours[2]).max() > 0.2
    assert len(set(colours[4][:3].tolist())) == 1
