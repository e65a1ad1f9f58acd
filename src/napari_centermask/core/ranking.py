"""Active learning: how much correcting a cell or an image would improve a model.

Four measures, each from a model's predictions without training: the entropy of its scores (B. Settles, Active Learning Literature
Survey, 2009, section 3.1), its disagreement with itself on the mirrored image (as query by committee, section 3.2), the masks'
predicted IoU, and the distance of an image from those already reviewed (coverage, section 3.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.instances import Instance, Instances, intersection
from napari_centermask.core.normalise import RANGE

SAME = 0.5
"""IoU above which two predictions are the same cell: above one half, matches are unique."""
_TINY = 1e-9  # in place of 0, where a logarithm or a quotient is not defined; far below what counts


@dataclass(frozen=True)
class ImageSigns:
    """How useful an image is for training, by several measures; each is larger for more useful images.

    Attributes
    ----------
    entropy
        Mean binary entropy of the scores in bits, [0, 1].
    disagreement
        1 - F1 between the cells of the image and of its mirror images, [0, 1].
    poor_masks
        1 - mean predicted IoU, [0, 1].
    descriptor
        (D,) descriptor of the image's appearance, for comparison with others.
    """

    entropy: float
    disagreement: float
    poor_masks: float
    descriptor: np.ndarray


def entropy(scores: np.ndarray) -> np.ndarray:
    """Binary entropy in bits of scores in [0, 1]: 1 at 0.5, 0 where the model is certain."""
    p = np.clip(np.asarray(scores, float), _TINY, 1 - _TINY)
    bits: np.ndarray = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return bits


def cell_values(scores: np.ndarray, qualities: np.ndarray) -> np.ndarray:
    """(N,) in [0, 1]: how useful it is to correct each cell; largest for uncertain scores and masks.

    Parameters
    ----------
    scores, qualities
        (N,) detection scores and predicted mask IoUs, in [0, 1].
    """
    values: np.ndarray = 0.5 * entropy(scores) + 0.5 * (1 - np.clip(np.asarray(qualities, float), 0, 1))
    return values


def agreement(a: Sequence[Instance], b: Sequence[Instance]) -> float:
    """F1 between two predictions of one image, [0, 1]; cells match at an IoU above 0.5, which makes pairs unique."""
    if not a and not b:
        return 1.0
    boxes = np.array([c.box for c in b], dtype=np.int64).reshape(-1, 4)
    same = 0
    for cell in a:
        y0, x0, y1, x1 = cell.box
        near = (boxes[:, 0] < y1) & (boxes[:, 2] > y0) & (boxes[:, 1] < x1) & (boxes[:, 3] > x0)
        for k in np.flatnonzero(near).tolist():
            shared = intersection(cell, b[k])
            if shared > SAME * (cell.area + b[k].area - shared):
                same += 1
                break
    return 2 * same / (len(a) + len(b))


def describe(image: np.ndarray, cells: Instances) -> np.ndarray:
    """(16,) descriptor of an image: its intensities, its detail at four scales, the size and density of its cells.

    Which numbers describe an image, and in what unit, is a choice; `rank_images` divides each by its spread, so scale is no
    matter.

    Parameters
    ----------
    image
        (C, H, W).
    """
    grey = np.nan_to_num(np.asarray(image, dtype=np.float32)).mean(axis=0)
    low, high = np.percentile(grey, RANGE)
    grey = np.clip((grey - low) / max(float(high - low), _TINY), 0, 1)
    quantiles = np.quantile(grey, np.linspace(0.05, 0.95, 10))
    detail = []
    for _ in range(4):
        detail.append(np.log1p(100 * float(np.abs(np.diff(grey, axis=1)).mean())) if grey.shape[1] > 1 else 0.0)
        height, width = (n // 2 * 2 for n in grey.shape)
        grey = (
            grey[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) if height and width else grey
        )
    diameters = [c.diameter for c in cells]
    size = np.log(np.median(diameters)) if diameters else 0.0
    density = np.sqrt(len(cells) / (cells.shape[0] * cells.shape[1]) * 1e4)
    return np.array([*quantiles, *detail, size, density])


def rank_images(signs: Sequence[ImageSigns], reviewed: Sequence[np.ndarray] = ()) -> tuple[list[int], np.ndarray]:
    """Order images by how much correcting them would improve the model.

    Each measure is replaced by its rank within the pool, so that none needs a scale; the mean of the ranks decides.
    Images are chosen one after another, so near copies of a chosen image lose their novelty.

    Parameters
    ----------
    signs
        The measures of each image of the pool.
    reviewed
        Descriptors of images that were reviewed.

    Returns
    -------
    order : positions in the pool, the best first
    values : (N,) in [0, 1], at the time when each was chosen
    """
    n = len(signs)
    if n == 0:
        return [], np.zeros(0)
    fixed = [_ranks(np.array([getattr(s, k) for s in signs])) for k in ("entropy", "disagreement", "poor_masks")]
    looks = np.array([s.descriptor for s in signs])
    known = np.array(list(reviewed)).reshape(-1, looks.shape[1])
    spread = np.concatenate([looks, known]).std(axis=0)
    looks, known = (a / np.where(spread > _TINY, spread, 1.0) for a in (looks, known))
    distance = np.full(n, np.inf)
    for one in known:
        distance = np.minimum(distance, np.linalg.norm(looks - one, axis=1))
    order, values, left = [], np.zeros(n), np.ones(n, bool)
    for _ in range(n):
        novelty = _ranks(distance) if np.isfinite(distance).any() else np.full(n, 0.5)
        total = (sum(fixed) + novelty) / 4
        best = int(np.argmax(np.where(left, total, -1.0)))
        order.append(best)
        values[best], left[best] = total[best], False
        distance = np.minimum(distance, np.linalg.norm(looks - looks[best], axis=1))
    return order, values


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 (least) to 1 (most); equal values share one."""
    if len(values) == 1:
        return np.array([0.5])
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") - 1) / (
        2 * (len(values) - 1)
    )
