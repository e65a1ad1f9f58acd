"""An engine that sees bright blobs on a dark field, as a perfect network would, and only within its tile."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import find_objects, label, map_coordinates

from napari_centermask.engines import Features
from napari_centermask.engines.decode import locations
from napari_centermask.settings import PreprocessSettings

sys.path.insert(0, str(Path(__file__).parent))  # modules beside the tests

STRIDES = (8, 16, 32, 64, 128)


def make_card(channels=1, diameter=40.0, categories=("cell",), **fields):
    model = SimpleNamespace(in_channels=channels, categories=list(categories))
    defaults = {
        "name": "fake",
        "model": model,
        "diameter": diameter,
        "percentiles": (0.0, 100.0),
        "normalisation": "percentile",
        "mean": [0.0],
        "std": [1.0],
        "defaults": {},
        "temperature": 1.0,
        "strides": STRIDES,
        "rates_boxes": True,
        "kind": "centermask",
        "channel_names": [],
        "parent": None,
        "preprocess": PreprocessSettings(),
        "bears_missing": False,
        "diameters": {},
        "levels": (),
        "images": (),
    }
    return SimpleNamespace(**(defaults | fields))


class FakeEngine:
    """Each connected blob of a tile becomes one detection; `jitter` moves its box by that part of its side."""

    name, device, precision, batch = "fake", "cpu", "float32", 1

    def __init__(self, card=None, *, jitter=0.0):
        self.card = card or make_card()
        self.jitter = jitter
        self.tiles, self.heads = [], 0

    def features(self, tiles):
        assert tiles.dtype == np.float32
        assert tiles.shape[0] == 1
        assert tiles.shape[1] == self.card.model.in_channels
        assert all(side % 32 == 0 for side in tiles.shape[2:])
        self.tiles.append(tiles.shape[2:])
        labels, _ = label(tiles[0, 0] > 0.5)
        blobs = [(y.start, x.start, y.stop, x.stop) for y, x in find_objects(labels)]
        centres, levels = locations(tiles.shape[2:], STRIDES)
        logits = np.full((1, len(centres), 1), -20, np.float32)
        ltrb = np.zeros((1, len(centres), 4), np.float32)
        rng = np.random.default_rng(tiles.shape[2])
        for y0, x0, y1, x1 in blobs:
            free = (levels == 0) & (logits[0, :, 0] < 0)
            distance = np.abs(centres - [(x0 + x1) / 2, (y0 + y1) / 2]).max(axis=1)
            k = np.argmin(np.where(free, distance, np.inf))
            logits[0, k] = 2 + 2 * rng.random()
            box = np.array([x0, y0, x1, y1]) + self.jitter * rng.normal(size=4) * np.array([x1 - x0, y1 - y0] * 2)
            ltrb[0, k] = np.concatenate([centres[k] - box[:2], box[2:] - centres[k]])
        return Features(tiles.shape[2:], (labels, np.array(blobs)), logits, ltrb, np.full((1, len(centres)), 9.0))

    def masks(self, features, boxes, classes, *, index=0):
        labels, blobs = features.pyramid
        self.heads += len(boxes)
        masks = np.zeros((len(boxes), 28, 28), np.float32)
        for n, (x0, y0, x1, y1) in enumerate(boxes):
            k = np.abs(blobs - [y0, x0, y1, x1]).sum(axis=1).argmin()
            grid = (np.arange(28) + 0.5) / 28
            points = np.meshgrid(y0 + grid * (y1 - y0) - 0.5, x0 + grid * (x1 - x0) - 0.5, indexing="ij")
            top, left = blobs[k][:2] - 1
            part = np.pad(labels, 1)[top + 1 : blobs[k][2] + 2, left + 1 : blobs[k][3] + 2] == k + 1
            masks[n] = map_coordinates(part.astype(np.float32), [points[0] - top, points[1] - left], order=1)
        return masks, np.ones(len(boxes), np.float32)


def draw_disks(shape, disks):
    """(1, H, W) uint8 image of disks (y, x, radius), each apart from the others."""
    image = np.zeros(shape, np.uint8)
    for y, x, r in disks:
        y0, x0 = max(0, int(y - r) - 1), max(0, int(x - r) - 1)
        part = image[y0 : int(y + r) + 2, x0 : int(x + r) + 2]
        yy, xx = np.ogrid[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
        part[(yy - y) ** 2 + (xx - x) ** 2 < r * r] = 200
    return image[None]


def place_disks(shape, n, *, radii=(8, 24), seed=0, large=()):
    """Up to n disks that do not touch; `large` ones (y, x, r) first."""
    rng = np.random.default_rng(seed)
    disks = list(large)
    for _ in range(n):
        y, x, r = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(*radii)
        if all((y - a) ** 2 + (x - b) ** 2 > (r + c + 3) ** 2 for a, b, c in disks):
            disks.append((y, x, r))
    return disks


@pytest.fixture
def fake():
    """FakeEngine, make_card, draw_disks and place_disks."""
    return SimpleNamespace(engine=FakeEngine, card=make_card, draw=draw_disks, place=place_disks)


@pytest.fixture
def image():
    """(3, 300, 420) uint16 of smooth noise on a slope."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(3, 300, 420))
    slope = np.linspace(0, 2000, 420)
    return (gaussian_filter(noise, (0, 2, 2)) * 500 + 500 + slope).clip(0, 4000).astype(np.uint16)
