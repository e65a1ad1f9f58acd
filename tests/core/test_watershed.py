import time

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_centermask.core.watershed import regions, separate

OPTIONS = {"threshold": 0.5, "seed": 0.4, "smoothing": 1.0, "diameter": 28.0}


def disks(shape, circles):
    """(H, W) int32 labels; where two meet, pixels go to the nearer middle."""
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    reach = np.stack([np.hypot(yy - y, xx - x) / r for y, x, r in circles])
    return np.where(reach.min(axis=0) < 1, reach.argmin(axis=0) + 1, 0).astype(np.int32)


def maps_of(labels):
    """What a perfect network says: foreground, border, and distance as a part of each cell's largest."""
    border = find_boundaries(labels, mode="inner")
    distance = np.zeros(labels.shape, np.float32)
    for k, window in enumerate(ndimage.find_objects(labels), start=1):
        alone = np.pad(labels[window] == k, 1)
        inside = ndimage.distance_transform_edt(alone)[1:-1, 1:-1]
        distance[window] += np.where(alone[1:-1, 1:-1], inside / inside.max(), 0)
    return {"foreground": (labels > 0).astype(np.float32), "border": border.astype(np.float32), "distance": distance}


def without(maps, *names):
    return {name: None if name in names else value for name, value in maps.items()}


def ious(truth, labels):
    """Best IoU of each true cell."""
    best = []
    for k in range(1, truth.max() + 1):
        cell = truth == k
        others = np.unique(labels[cell])
        best.append(max(((labels == j) & cell).sum() / ((labels == j) | cell).sum() for j in others if j))
    return np.array(best)


GRIDS = {"both": (), "no border": ("border",), "no distance": ("distance",), "neither": ("border", "distance")}


@pytest.mark.parametrize("left_out", GRIDS.values(), ids=GRIDS.keys())
def test_cells_that_lie_apart_come_back_to_the_pixel(left_out):
    truth = disks((120, 160), [(25, 25, 14), (30, 80, 10), (80, 40, 20), (85, 120, 14), (20, 130, 5)])
    labels = separate(**without(maps_of(truth), *left_out), **OPTIONS)
    assert labels.dtype == np.int32
    assert len(np.unique(labels)) == truth.max() + 1
    assert ious(truth, labels).min() == 1


@pytest.mark.parametrize("left_out", GRIDS.values(), ids=GRIDS.keys())
def test_touching_cells_are_separated_where_they_touch(left_out):
    truth = disks((110, 170), [(40, 30, 14), (40, 54, 14), (40, 78, 14), (62, 42, 14), (80, 130, 14), (80, 108, 10)])
    labels = separate(**without(maps_of(truth), *left_out), **OPTIONS)
    assert len(np.unique(labels)) == truth.max() + 1
    assert ious(truth, labels).min() > 0.9
    np.testing.assert_array_equal(labels > 0, truth > 0)


def test_a_small_cell_beside_a_large_one_is_seen_by_its_own_distance():
    truth = disks((120, 120), [(50, 50, 30), (50, 84, 6)])
    labels = separate(**maps_of(truth), **OPTIONS)
    assert ious(truth, labels).min() > 0.75
    merged = separate(**without(maps_of(truth), "distance", "border"), **OPTIONS)
    assert len(np.unique(merged)) == 2  # by its shape alone it is a bump on the large one


def test_cells_without_a_seed_stay_whole():
    foreground = np.zeros((40, 40), np.float32)
    foreground[10:20, 10:20] = foreground[25:30, 25:30] = 0.8
    labels = separate(foreground, distance=np.zeros_like(foreground), **OPTIONS)
    assert sorted(np.bincount(labels.ravel())[1:].tolist()) == [25, 100]


def test_a_higher_threshold_gives_smaller_cells_and_smoothing_joins_noisy_seeds():
    truth = disks((80, 80), [(40, 40, 24)])
    maps = maps_of(truth)
    maps["foreground"] = ndimage.gaussian_filter(maps["foreground"], 3)
    small, large = (separate(**maps, **OPTIONS | {"threshold": t}) for t in (0.7, 0.3))
    assert 0 < np.count_nonzero(small) < np.count_nonzero(large)
    rng = np.random.default_rng(0)
    maps["distance"] = maps["distance"] + rng.normal(0, 0.3, truth.shape)
    counts = [len(np.unique(separate(**maps, **OPTIONS | {"smoothing": s}))) - 1 for s in (0, 3)]
    assert counts[0] > counts[1] == 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_maps_are_no_and_one_cell(value):
    foreground = np.full((30, 50), value, np.float32)
    labels = separate(foreground, border=np.zeros_like(foreground), distance=foreground, **OPTIONS)
    assert labels.max() == value
    assert len(regions(labels, np.stack([1 - foreground, foreground]))) == value


def test_regions_tell_score_and_category():
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 3:10], labels[10:15, 20:24] = 1, 4  # numbers may be missing
    classes = np.zeros((3, 20, 30))
    classes[0] = 1
    classes[:, 2:6, 3:10] = np.array([0.2, 0.6, 0.2])[:, None, None]
    classes[:, 10:15, 20:24] = np.array([0.1, 0.0, 0.9])[:, None, None]
    first, second = regions(labels, classes)
    assert first.box == (3, 2, 10, 6)
    assert first.mask.all()
    assert (first.score, second.score) == (pytest.approx(0.8), pytest.approx(0.9))
    np.testing.assert_allclose(first.probabilities, [0.75, 0.25])
    np.testing.assert_allclose(second.probabilities, [0, 1])
    assert (second.y0, second.x0) == (10, 20)


def test_two_thousand_pixels_square_take_seconds_at_most():
    rng = np.random.default_rng(0)
    centres = [
        (y + rng.uniform(-4, 4), x + rng.uniform(-4, 4), 14) for y in range(16, 256, 25) for x in range(16, 256, 25)
    ]
    maps = {name: np.tile(value, (8, 8)) for name, value in maps_of(disks((256, 256), centres)).items()}
    start = time.process_time()
    labels = separate(**maps, **OPTIONS)
    cells = regions(labels, np.stack([1 - maps["foreground"], maps["foreground"]]))
    assert len(cells) >= 0.9 * 64 * len(centres)
    assert time.process_time() - start < 15
