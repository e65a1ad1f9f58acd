"""Pairs of boxes that overlap, in about linear time.

Two boxes can only reach an IoU of t if their longer sides differ by less than 1 / t and their centres by less than
(1 - t) of the longer side. So boxes are sorted into octaves of size, and k-d trees of the centres list the pairs.
The axes' order does not matter, as long as the first two columns are the low corner.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

_SMALLEST = 1e-3  # pixels: boxes without extent count as so large, as their logarithm is none
_ROUNDED = 1 + 1e-9  # so that rounding of float64 loses no pair


def overlapping_pairs(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs i < j of boxes that share some area.

    Parameters
    ----------
    boxes
        (N, 4) low corner, high corner.

    Returns
    -------
    i, j : (P,) int64
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    everyone = np.arange(len(boxes))
    i, j = near_pairs(boxes, everyone, everyone, iou=0.0)
    ordered = i < j
    i, j = i[ordered], j[ordered]
    shared = shared_area(boxes[i], boxes[j]) > 0
    return i[shared], j[shared]


def near_pairs(boxes: np.ndarray, a: np.ndarray, b: np.ndarray, *, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a member of `a` and one of `b` that may reach `iou`, and some that do not.

    Parameters
    ----------
    boxes
        (N, 4) float64.
    a, b
        Indices into `boxes`.
    """
    trees_a = _octaves(boxes, a)
    trees_b = trees_a if a is b else _octaves(boxes, b)
    pairs = [np.zeros((2, 0), np.int64)]
    for ka, (members_a, tree_a) in trees_a.items():
        for kb, (members_b, tree_b) in trees_b.items():
            small, large = 2.0 ** min(ka, kb), 2.0 ** max(ka, kb)
            if 2 * small < iou * large:
                continue
            reach = min((1 - iou) * 2 * large, small + max(0.0, 0.5 - iou) * 2 * large)
            near = tree_a.sparse_distance_matrix(tree_b, reach * _ROUNDED, p=np.inf, output_type="ndarray")
            pairs.append(np.stack([members_a[near["i"]], members_b[near["j"]]]))
    i, j = np.concatenate(pairs, axis=1)
    return i, j


def _octaves(boxes: np.ndarray, members: np.ndarray) -> dict[int, tuple[np.ndarray, cKDTree]]:
    """Boxes by the power of two of their longer side, with a tree of their centres."""
    some = boxes[members]
    longer = np.maximum((some[:, 2:] - some[:, :2]).max(axis=1, initial=0), _SMALLEST)
    octave = np.floor(np.log2(longer)).astype(np.int64)
    centres = (some[:, :2] + some[:, 2:]) / 2
    trees: dict[int, tuple[np.ndarray, cKDTree]] = {}
    for k in np.unique(octave):
        inside = octave == k
        trees[int(k)] = members[inside], cKDTree(centres[inside], balanced_tree=False, compact_nodes=False)
    return trees


def shared_area(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) area that box a[n] shares with box b[n]."""
    area: np.ndarray = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0).prod(axis=1)
    return area


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) IoU of box a[n] with box b[n]; 0 for two empty boxes.

    Examples
    --------
    >>> box_iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 1.0, 2.0, 3.0]])).round(3)
    array([0.333])
    """
    inter = shared_area(a, b)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - inter
    iou: np.ndarray = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return iou
