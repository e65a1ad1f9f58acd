"""An engine whose image already holds the maps, and crowded cells for it."""

import numpy as np
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_centermask.core.instances import intersection
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import SegmentSettings, UNetSettings

SHAPE = (700, 900)


class MapEngine:
    """Takes the channels for the maps; what it sees may be disturbed tile by tile."""

    name, device, precision, batch = "fake", "cpu", "float32", 1

    def __init__(self, *, categories=("cell",), noise=0.0):
        form = UNetSettings(in_channels=2 + len(categories), categories=list(categories))
        self.card = ModelCard(
            name="fake", licence="CC0-1.0", model=form, diameter=30.0, percentiles=(0, 100), defaults={"smoothing": 0.5}
        )
        self.noise, self.tiles = noise, []

    def maps(self, tiles):
        assert tiles.dtype == np.float32
        assert tiles.flags.c_contiguous
        self.tiles.append(tiles)
        n = len(self.card.model.categories)
        background = 1 - tiles[:, :n].sum(axis=1, keepdims=True)
        rng = np.random.default_rng(len(self.tiles))
        blurred = ndimage.gaussian_filter(rng.normal(0, 1, tiles[:, n:].shape), (0, 0, 3, 3)) * self.noise
        return np.concatenate([background, tiles[:, :n], tiles[:, n:] + blurred], axis=1).astype(np.float32)


def draw(shape, *, radius=14, seed=0, categories=1):
    """(n + 2, H, W) maps of crowded cells, the labels, and each one's category."""
    rng = np.random.default_rng(seed)
    step = int(1.75 * radius)
    places = [(y, x) for y in range(radius, shape[0], step) for x in range(radius, shape[1], step)]
    labels, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf)
    for k, (y, x) in enumerate(places, start=1):
        y0, x0 = max(0, y - 2 * radius), max(0, x - 2 * radius)
        part = np.s_[y0 : y + 2 * radius, x0 : x + 2 * radius]
        yy, xx = np.mgrid[part]
        yy, xx = yy[: shape[0] - y0, : shape[1] - x0], xx[: shape[0] - y0, : shape[1] - x0]
        reach = np.hypot(yy - y - rng.uniform(-2, 2), xx - x - rng.uniform(-2, 2)) / (radius * rng.uniform(0.8, 1))
        closer = (reach < 1) & (reach < nearest[part])
        labels[part][closer], nearest[part][closer] = k, reach[closer]
    distance = np.where(labels > 0, 1 - nearest.clip(0, 1), 0)
    kinds = np.concatenate([[-1], rng.integers(0, categories, len(places))])
    classes = [(kinds[labels] == c).astype(float) for c in range(categories)]
    return np.stack([*classes, find_boundaries(labels), distance]).astype(np.float32), labels, kinds


def options(**fields):
    return SegmentSettings(**({"diameter": 30} | fields))


def f1(truth, predicted, iou=0.7):
    matched = 0
    for cell in predicted:
        y0, x0, y1, x1 = cell.box
        ids, shared = np.unique(truth[y0:y1, x0:x1][cell.mask], return_counts=True)
        k = shared.argmax()
        matched += ids[k] > 0 and shared[k] >= iou * (cell.area + np.count_nonzero(truth == ids[k]) - shared[k])
    return 2 * matched / (len(predicted) + len(np.unique(truth)) - 1)


def none_overlap(instances):
    cells = list(instances)
    return not any(intersection(a, b) for k, a in enumerate(cells) for b in cells[:k])


def iou(labels, k, cell):
    if cell is None:
        return 0.0
    whole = np.zeros(labels.shape, bool)
    y0, x0, y1, x1 = cell.box
    whole[y0:y1, x0:x1] = cell.mask
    return np.count_nonzero(whole & (labels == k)) / np.count_nonzero(whole | (labels == k))
