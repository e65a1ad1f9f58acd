"""Masks and cells drawn by hand, on which the tools are tried."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.instances import Instance, Instances

SHAPE = (90, 110)


def picture(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in row.strip()] for row in text.strip().splitlines()])


def plane(*masks: np.ndarray, **fields) -> Instances:
    """One cell for each (H, W) mask, ids from 1, orders from 0."""
    made = (Instance.from_mask(m, order=float(k), score=0.7, source="model", **fields) for k, m in enumerate(masks))
    return Instances(masks[0].shape, made)


def square(y0, x0, y1, x1, shape=(20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def full(instance: Instance, shape=(20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    y0, x0, y1, x1 = instance.box
    mask[y0:y1, x0:x1] = instance.mask
    return mask


def disk(y, x, r, shape=(60, 60)) -> np.ndarray:
    yy, xx = np.indices(shape)
    return np.hypot(yy - y, xx - x) <= r


def blob(rng) -> np.ndarray:
    """Ragged cells with holes and parts."""
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    centre, radii = rng.uniform(0, SHAPE), rng.uniform(3, 16, 2)
    mask = ((yy - centre[0]) / radii[0]) ** 2 + ((xx - centre[1]) / radii[1]) ** 2 < 1
    return mask & (rng.random(SHAPE) < 0.9)
