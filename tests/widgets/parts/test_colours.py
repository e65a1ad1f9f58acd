"""Colours of cells and categories."""

import numpy as np

from napari_centermask.widgets.parts.colours import category_colour, score_colour


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
