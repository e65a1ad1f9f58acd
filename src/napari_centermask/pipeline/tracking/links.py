"""Cells of one frame and the next that are one, by overlap and motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from scipy.ndimage import uniform_filter

from napari_centermask.pipeline.tracking.assignment import best_pairs
from napari_centermask.pipeline.tracking.things import Frame, Thing, overlap, within

# Chosen on composed sequences of cells of the training splits (docs/benchmarks.md, "Tracking").
_LIMIT = 0.9
"""Of the cost of a link, which is 0 for a cell that stays and 1 for one of equal size at the largest motion."""
_OVERLAP = 0.5
"""Weight of the overlap in the cost; distance has the rest."""
_SIZE = 0.3
"""What a cell adds to its cost that loses or gains all its area."""
_ENOUGH = 5
"""Links from which a common motion of all cells can be told."""
_WIDEST, _BINS, _CLEARLY = 3.0, 4, 1.5
"""A common motion is looked for up to three times the largest motion of a cell, in steps of a quarter of it, and counts where
half as many again agree on it as on staying."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How cells are expected to move from one frame to the next.

    Attributes
    ----------
    drift
        (y, x) by which all cells moved: the stage, for example.
    own
        (y, x) by which single cells moved in addition the last time, by their number in the frame.
    """

    drift: tuple[float, float] = (0.0, 0.0)
    own: Mapping[int, tuple[float, float]] | None = None


def linked(
    before: Frame, after: Frame, farthest: float, own: Mapping[int, tuple[float, float]]
) -> list[tuple[int, int]]:
    """Numbers of the cells in two frames that are one.

    Cells are linked twice: the first links tell the motion that all have in common exactly, which the second ones leave out.

    Parameters
    ----------
    farthest
        Largest motion in pixels, apart from the common one.
    own
        As in `Motion`.
    """
    if not before or not after:
        return []
    pairs = _linked(before, after, farthest, Motion(_rough_drift(before, after, farthest)))
    drift = drift_of(before, after, pairs)
    return _linked(before, after, farthest, Motion(drift, own)) if any(drift) or own else pairs


def _rough_drift(before: Frame, after: Frame, farthest: float) -> tuple[float, float]:
    """The (y, x) motion that most pairs of cells agree on; none where that is not clear, or most agree on staying."""
    places = np.array([thing.centre for thing in before])
    there = np.array([thing.centre for thing in after])
    found = within(places, after, _WIDEST * farthest)
    if sum(map(len, found)) < _ENOUGH:
        return 0.0, 0.0
    moves = np.concatenate([there[js] - place for js, place in zip(found, places, strict=True)])
    step, middle = farthest / _BINS, round(_WIDEST * _BINS)
    votes = np.zeros((2 * middle + 1,) * 2)
    np.add.at(votes, tuple(np.rint(moves / step).astype(int).T + middle), 1)
    votes = uniform_filter(votes, 3, mode="constant") * 9
    y, x = np.unravel_index(int(votes.argmax()), votes.shape)
    clear = votes[y, x] > max(0.5 * len(before), _CLEARLY * votes[middle, middle])
    return (float(y - middle) * step, float(x - middle) * step) if clear else (0.0, 0.0)


def drift_of(before: Frame, after: Frame, pairs: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """The (y, x) motion that linked cells have in common; none if there are few."""
    if len(pairs) < _ENOUGH:
        return 0.0, 0.0
    moves = [np.subtract(after[j].centre, before[i].centre) for i, j in pairs]
    y, x = np.median(moves, axis=0).tolist()
    return y, x


def _linked(before: Frame, after: Frame, farthest: float, motion: Motion) -> list[tuple[int, int]]:
    rows, columns = near(before, after, farthest, motion)
    costs = np.array([_cost(before, after, i, j, farthest, motion) for i, j in zip(rows, columns, strict=True)])
    best = best_pairs(np.array(rows, int), np.array(columns, int), costs, limit=_LIMIT)
    return [(rows[k], columns[k]) for k in best]


def near(before: Frame, after: Frame, farthest: float, motion: Motion) -> tuple[list[int], list[int]]:
    """Numbers of the pairs that are not too far apart."""
    expected = np.array([thing.centre for thing in before]) + motion.drift
    pairs = {(i, j) for i, js in enumerate(within(expected, after, farthest)) for j in js}
    if motion.own:
        numbers = list(motion.own)
        moved = within(expected[numbers] + [motion.own[i] for i in numbers], after, farthest)
        pairs |= {(i, j) for i, js in zip(numbers, moved, strict=True) for j in js}
    ordered = sorted(pairs)
    return [i for i, _ in ordered], [j for _, j in ordered]


def _cost(before: Frame, after: Frame, i: int, j: int, farthest: float, motion: Motion) -> float:
    a, b = before[i], after[j]
    ways = [motion.drift]
    if motion.own and i in motion.own:
        ways.append((motion.drift[0] + motion.own[i][0], motion.drift[1] + motion.own[i][1]))
    return min(cost(a, b, farthest, way) for way in ways)


def cost(a: Thing, b: Thing, farthest: float, moved: tuple[float, float]) -> float:
    """How unlike two cells are, where the first is expected to have moved by (y, x)."""
    distance = hypot(b.centre[0] - a.centre[0] - moved[0], b.centre[1] - a.centre[1] - moved[1])
    common = overlap(a, b, moved)
    iou = common / (a.area + b.area - common)
    size = 1 - min(a.area, b.area) / max(a.area, b.area)
    return (1 - _OVERLAP) * distance / farthest + _OVERLAP * (1 - iou) + _SIZE * size
