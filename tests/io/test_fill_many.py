import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.io import fill_many, rings


def check_filled(outlines, shape):
    filled = fill_many.fill_all(outlines, shape, ["a cell"] * len(outlines))
    for polygons, found in zip(outlines, filled, strict=True):
        expected = rings.fill(polygons, shape, "a cell")
        if expected is None:
            assert found is None
            continue
        tight = Instance.from_mask(expected[2], expected[:2])
        assert found[:2] == (tight.y0, tight.x0)
        assert np.array_equal(found[2], tight.mask)


@pytest.mark.parametrize("seed", range(40))
def test_the_outlines_of_many_cells_give_them_back(seed):
    rng = np.random.default_rng(seed)
    masks = [rng.random(rng.integers(1, 15, 2)) < rng.choice([0.2, 0.5, 0.8, 0.97, 1]) for _ in range(20)]
    cells = [Instance.from_mask(m, tuple(rng.integers(0, 50, 2))) for m in masks if m.any()]
    outlines = [rings.trace(cell.mask, (cell.y0, cell.x0)) for cell in cells]
    check_filled(outlines, (80, 80))
    for cell, crop in zip(cells, fill_many.fill_all(outlines, (80, 80), [""] * len(cells)), strict=True):
        assert crop[:2] == (cell.y0, cell.x0)
        assert np.array_equal(crop[2], cell.mask)


def test_two_small_parts_far_apart_are_refused_before_they_take_memory():
    parts = [[np.array([[x, x], [x + 3, x], [x + 3, x + 3.0]])] for x in (0, 90_000)]
    with pytest.raises(BadAnnotations, match="a cell spans"):
        list(fill_many.fill_all([parts], (1 << 17, 1 << 17), ["a cell"]))


@pytest.mark.parametrize("seed", range(40))
def test_any_polygons_are_filled_as_one_by_one(seed):
    rng = np.random.default_rng(seed)
    free = [
        [
            [rng.uniform(-20, 90, (rng.integers(1, 9), 2)) for _ in range(rng.integers(0, 3))]
            for _ in range(rng.integers(0, 3))
        ]
        for _ in range(25)
    ]
    whole = [[[rng.integers(-5, 70, (rng.integers(3, 9), 2)) + rng.choice([0, 0.5])]] for _ in range(25)]
    far = [[[np.array([[1, 1], [1e300, 5], [3, 60.0]])]], [[np.array([[1, 1], [-1e308, 5], [1e308, 60.0]])]]]
    check_filled(free + whole + far, (60, 55))


def test_an_absurd_outline_among_others_is_named():
    small = [[np.array([[0, 0], [3, 0], [3, 3.0]])]]
    huge = [[np.array([[0, 0], [1e9, 0], [1e9, 1e9]])]]
    with pytest.raises(BadAnnotations, match="b spans"):
        list(fill_many.fill_all([small, huge], (1 << 17, 1 << 17), ["a", "b"]))


def test_outlines_that_claim_very_many_pixels_are_filled_one_at_a_time():
    frame = [[np.array([[0, 0], [8000, 0], [8000, 8000], [0, 8000.0]])]]
    filled = fill_many.fill_all([frame] * 10_000, (8000, 8000), ["a cell"] * 10_000)
    for _, (y0, x0, mask) in zip(range(2), filled, strict=False):
        assert (y0, x0, mask.shape) == (0, 0, (8000, 8000))
        assert mask.all()
