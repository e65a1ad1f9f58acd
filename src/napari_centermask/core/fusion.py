"""Join what several looks at an image found: other models, or other scales."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.neighbours import box_iou, overlapping_pairs

SAME = 0.5
"""IoU from which two masks are one cell: the usual one. A choice."""
SAME_ACROSS = 0.7
"""The same for two categories, as at the seams of tiles (`core.tiles`): a nucleus and its cell are two."""
# IoU of boxes from which masks are compared; masks of cells with an IoU of a half have no less in practice
_LEAST_BOX = 0.3
_MARGIN = 2  # pixels around masks in which their distances are measured


def fuse(looks: Sequence[Sequence[Instance]], shape: tuple[int, int]) -> list[Instance]:
    """Match the cells of several looks and average each.

    Starting with the best cell, each look adds the cell with the highest IoU, if it is the same. Masks are averaged by their
    signed distance to the outline, weighted by the scores (shape-based averaging, Rohlfing and Maurer, IEEE TIP 2007): U-Nets
    have no probabilities of single cells, and of two masks the average lies between them. Each cell is averaged alone, so
    overlaps stay.

    Parameters
    ----------
    looks
        The cells that each look found; one look gives its cells as they are.
    shape
        (H, W) of the image.

    Returns
    -------
    list of Instance
        `score` is the mean over all looks, 0 where one did not find the cell (weighted boxes fusion, arXiv 1910.13302, section
        3), `mask_quality` and `probabilities` the mean over those that did; the category has the most score, `source` is that of
        the best.
    """
    if len(looks) == 1:
        return list(looks[0])
    cells = [cell for look in looks for cell in look]
    look_of = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    return [_average([cells[k] for k in group], len(looks), shape) for group in _groups(cells, look_of)]


def _groups(cells: Sequence[Instance], look_of: np.ndarray) -> Iterator[list[int]]:
    """Indices of the cells that are one, best first; at most one of each look."""
    near = defaultdict[int, list[tuple[float, int]]](list)
    for a, b, iou in _same(cells, look_of):
        near[a].append((iou, b))
        near[b].append((iou, a))
    taken = np.zeros(len(cells), bool)
    for first in sorted(range(len(cells)), key=lambda k: -_quality(cells[k])):
        if taken[first]:
            continue
        group, there = [first], {int(look_of[first])}
        for _, other in sorted(near[first], reverse=True):
            if not taken[other] and int(look_of[other]) not in there:
                group.append(other)
                there.add(int(look_of[other]))
        taken[group] = True
        yield group


def _same(cells: Sequence[Instance], look_of: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Pairs of cells of different looks that are one, with the IoU of their masks."""
    boxes = np.array([cell.box for cell in cells], np.float64).reshape(-1, 4)
    i, j = overlapping_pairs(boxes)
    possible = (look_of[i] != look_of[j]) & (box_iou(boxes[i], boxes[j]) >= _LEAST_BOX)
    for a, b in zip(i[possible].tolist(), j[possible].tolist(), strict=True):
        shared = intersection(cells[a], cells[b])
        iou = shared / (cells[a].area + cells[b].area - shared)
        if iou >= (SAME if cells[a].category == cells[b].category else SAME_ACROSS):
            yield a, b, iou


def _quality(cell: Instance) -> float:
    return cell.score * cell.mask_quality


def _average(group: Sequence[Instance], n_looks: int, shape: tuple[int, int]) -> Instance:
    best, weights = group[0], [max(cell.score, 1e-6) for cell in group]
    votes = defaultdict[int, float](float)
    for cell, weight in zip(group, weights, strict=True):
        votes[cell.category] += weight
    if len(group) > 1:
        tight = Instance.from_mask(*_shape(group, weights, shape))
        best = replace(best, y0=tight.y0, x0=tight.x0, mask=tight.mask)
    return replace(
        best,
        score=sum(cell.score for cell in group) / n_looks,
        mask_quality=float(np.mean([cell.mask_quality for cell in group])),
        category=max(votes, key=lambda category: votes[category]),
        probabilities=_probabilities(group, weights),
    )


def _probabilities(group: Sequence[Instance], weights: Sequence[float]) -> tuple[float, ...]:
    if len({len(cell.probabilities) for cell in group}) > 1 or not group[0].probabilities:
        return ()
    return tuple(np.average([cell.probabilities for cell in group], axis=0, weights=weights).tolist())


def _shape(
    group: Sequence[Instance], weights: Sequence[float], shape: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """The average mask, and where it begins; pixels that all masks share are always in it."""
    boxes = np.array([cell.box for cell in group])
    y0, x0 = np.maximum(boxes[:, :2].min(axis=0) - _MARGIN, 0).tolist()
    y1, x1 = np.minimum(boxes[:, 2:].max(axis=0) + _MARGIN, shape).tolist()
    total = np.zeros((y1 - y0, x1 - x0))
    for cell, weight in zip(group, weights, strict=True):
        mask = np.zeros(total.shape, bool)
        mask[cell.y0 - y0 : cell.box[2] - y0, cell.x0 - x0 : cell.box[3] - x0] = cell.mask
        total += weight * _distance(mask)
    return total > 0, (y0, x0)


def _distance(mask: np.ndarray) -> np.ndarray:
    """Distance in pixels to the outline, which runs between pixels: positive inside, negative outside."""
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)))
    inside: np.ndarray = np.where(mask, distance_transform_edt(mask) - 0.5, 0.5 - distance_transform_edt(~mask))
    return inside
