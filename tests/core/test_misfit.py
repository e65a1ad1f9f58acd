"""A model that does not suit an image is recognised by what it finds."""

import numpy as np
import pytest

from napari_centermask.core.misfit import misfit, other_model

GOOD = np.r_[np.full(14, 0.81), np.full(10, 0.3)]


@pytest.mark.parametrize(
    ("scores", "diameter", "reason"),
    [
        (GOOD, 17, ""),
        (np.zeros(0), 17, "It found no cells."),
        (np.full(50, 0.3), 17, "It found no cells."),
        (np.r_[np.full(9, 0.8), np.full(476, 0.3)], 40, "Only 9 of 485 candidates reach a score of 0.58."),
        (np.full(9, 0.6), 40, "The scores are low: half of the cells have less than 0.60."),
        (np.r_[np.full(1, 0.9), np.full(8, 0.3)], 40, ""),  # too few candidates to tell
        (GOOD, 3, "A diameter of 3 px is implausible in an image of 400 x 300."),
        (GOOD, 200, "A diameter of 200 px is implausible in an image of 400 x 300."),
    ],
)
def test_what_was_found_says_whether_the_model_suits(scores, diameter, reason):
    assert misfit(scores, threshold=0.58, diameter=diameter, shape=(300, 400)) == reason


def test_a_model_of_another_kind_of_cells_is_proposed_and_none_that_was_made_for_one_assay():
    models = {"live-dead": ["living", "dead"], "nuclei": ["nucleus"], "unet-nuclei": ["nucleus"]}
    assert other_model("nuclei", models) == ""
    assert other_model("nuclei", models | {"cells": ["cell"]}) == "cells"
    assert other_model("cells", models | {"cells": ["cell"]}) == "nuclei"
