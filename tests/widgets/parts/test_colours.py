"""Colours of cells and categories."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_centermask.core.compose import HATCH
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.parts.colours import (
    SELECTED,
    category_colour,
    cells_colormap,
    outlines_colormap,
    rim_of,
    score_colour,
    track_colour,
)


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


# Colours as people with protanopia, deuteranopia and tritanopia see them: Machado, Oliveira and Fernandes (2009), severity 1.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def seen(colours, sight):
    """(n, 3) L*a*b* of sRGB colours (n, 3)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(SIGHTS[sight]), 0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)[None])[0]


def apart(a, b, sight):
    return deltaE_ciede2000(seen(a, sight)[:, None], seen(b, sight)[None])


@pytest.mark.parametrize("sight", SIGHTS)
def test_categories_and_the_selected_cell_differ_for_everyone(sight):
    colours = np.array([*(category_colour(k)[:3] for k in range(1, 9)), SELECTED])
    assert (apart(colours, colours, sight) + 99 * np.eye(9)).min() > 11


def test_no_cell_resembles_the_selected_one(result):
    table = np.asarray(cells_colormap(result, "cell").colors)[1:, :3]
    tracks = np.array([track_colour(k)[:3] for k in range(200)])
    scores = np.array([score_colour(s)[:3] for s in np.linspace(0, 1, 21)])
    for colours in (table, tracks, scores):
        assert apart(colours, np.array([SELECTED]), "normal").min() > 20


@pytest.mark.parametrize("mode", ["cell", "category", "score", "track"])
def test_outlines_have_the_colours_of_the_cells(result, mode):
    cells, outlines, rim = cells_colormap(result, mode), outlines_colormap(result, mode), rim_of(mode)
    result.categories.update({1: "a", 2: "b", 3: "c"})
    outlines = outlines_colormap(result, mode)
    for cell in result:
        assert 0 < rim(cell) < HATCH
        np.testing.assert_allclose(outlines.map(rim(cell)), cells.map(cell.id), atol=0.02)
