"""Tools that split a cell: along a line, at seeds, or at its necks. No pixel is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.tools.pairs import Pair, around, drawn, reshaped
from napari_centermask.core.tools.shape import EIGHT

# Choices, not measured.
_WIDEST = 2  # pixels by which a line that falls short of the rim is widened
_DEBRIS = 0.01  # of the cell: less is a sliver that the line cuts off at the rim, not an intended part
_NECK = 0.9  # a neck is narrower than this fraction of the narrower side, and by at least a pixel
_SMALL_PEAK = 0.25  # of the largest radius: below it, it is a bump, not a cell
_PEAK = 5  # side in pixels of the window in which a peak is the deepest


def split_line(cells: Instances, id: int, line: np.ndarray) -> list[Pair]:
    """Split a cell along a drawn line; the largest part keeps the id.

    The line is widened by up to 2 pixels if it falls short of the rim. Its own pixels go to the nearest part. A line
    between the parts of a cell separates them.

    Parameters
    ----------
    line
        (n, 2) y, x points of the polyline.

    Returns
    -------
    list of pairs
        Empty if the line does not divide the cell.
    """
    line = np.asarray(line, float).reshape(-1, 2)
    if len(line) < 2:
        return []
    cell = cells[id]
    y0, x0, y1, x1 = box = around(cell.box, 1, cells.shape)
    mask = drawn(cell, box)
    cut = _line(line - (y0, x0), mask.shape)
    parts = _cut(mask, cut)
    if parts is None:
        reach = 2 * (y1 - y0 + x1 - x0)
        parts = _sides(mask, _line(_extended(line, reach) - (y0, x0), mask.shape), cut)
    return [] if parts is None else _divided(cell, parts, (y0, x0))


def split_seeds(cells: Instances, id: int, points: np.ndarray) -> list[Pair]:
    """Split a cell into one part per seed, at the necks between them; the largest part keeps the id.

    Parameters
    ----------
    points
        (n, 2) y, x; points outside of the cell are ignored.

    Returns
    -------
    list of pairs
        Empty if fewer than two seeds lie in the cell.
    """
    cell = cells[id]
    box = around(cell.box, 1, cells.shape)
    seeds = np.floor(np.asarray(points, float).reshape(-1, 2) + 0.5).astype(int) - box[:2]
    return _divided(cell, flood(drawn(cell, box), seeds), box[:2])


def split_auto(cells: Instances, id: int) -> list[Pair]:
    """Split a cell at its necks, and into its separate parts; the largest part keeps the id.

    The seeds are the peaks of the distance to the rim that a neck divides.
    """
    cell = cells[id]
    box = around(cell.box, 1, cells.shape)
    mask = drawn(cell, box)
    return _divided(cell, flood(mask, _peaks(mask)), box[:2])


def _peaks(mask: np.ndarray) -> np.ndarray:
    """(n, 2) deepest points of the mask, one for each part that is connected to deeper ones only by a neck."""
    from scipy.ndimage import distance_transform_edt, label, maximum_filter

    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    plateaus, _ = label((depth == maximum_filter(depth, _PEAK)) & (depth > _SMALL_PEAK * depth.max()), EIGHT)
    _, first = np.unique(plateaus, return_index=True)
    peaks = [tuple(map(int, np.unravel_index(k, mask.shape))) for k in first if plateaus.ravel()[k]]
    seeds: list[tuple[int, ...]] = []
    for peak in sorted(peaks, key=lambda p: -float(depth[p])):
        level = min(_NECK * depth[peak], depth[peak] - 1)
        wide, _ = label(depth >= max(level, 1), EIGHT)
        if all(wide[peak] != wide[seed] for seed in seeds):
            seeds.append(peak)
    return np.array(seeds, int).reshape(-1, 2)


def flood(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray | None:
    """Parts of a mask numbered by the seed, (n, 2) row and column, from which its necks divide them.

    Returns
    -------
    numpy.ndarray or None
        (H, W) int, 0 outside of the mask; None if fewer than two seeds lie in it.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.segmentation import watershed

    inside = ((seeds >= 0) & (seeds < mask.shape)).all(axis=1)
    seeds = np.unique(seeds[inside], axis=0)
    seeds = seeds[mask[seeds[:, 0], seeds[:, 1]]]
    if len(seeds) < 2:
        return None
    markers = np.zeros(mask.shape, np.int32)
    markers[seeds[:, 0], seeds[:, 1]] = np.arange(1, len(seeds) + 1)
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return _nearest(mask, watershed(-depth, markers, connectivity=EIGHT, mask=mask))


def _line(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) bool: a polyline without diagonal steps, so that nothing slips through."""
    ends = np.diff(points, axis=0)
    steps = [np.linspace(p, p + d, int(np.ceil(4 * np.abs(d).max())) + 1) for p, d in zip(points, ends, strict=False)]
    path = np.floor(np.concatenate(steps) + 0.5).astype(int)
    corners = np.stack([path[1:, 0], path[:-1, 1]], axis=1)
    path = np.concatenate([path, corners])
    path = path[((path >= 0) & (path < shape)).all(axis=1)]
    drawn = np.zeros(shape, bool)
    drawn[path[:, 0], path[:, 1]] = True
    return drawn


def _extended(line: np.ndarray, reach: float) -> np.ndarray:
    """The line with its ends extended straight."""
    start, end = line[0] - line[-1], line[-1] - line[0]
    directions = [line[0] - line[1], line[-1] - line[-2]]
    unit = [d / n if (n := np.hypot(*d)) else e for d, e in zip(directions, (start, end), strict=True)]
    return np.concatenate([[line[0] + reach * unit[0]], line, [line[-1] + reach * unit[1]]])


def _cut(mask: np.ndarray, line: np.ndarray) -> np.ndarray | None:
    """Parts of the mask, numbered from 1, into which the line divides a connected part; None if it divides none."""
    from scipy.ndimage import binary_dilation, label

    whole, _ = label(mask, EIGHT)
    for _ in range(_WIDEST + 1):
        rest = mask & ~line
        parts, n = label(rest, EIGHT)
        areas = np.bincount(parts.ravel(), minlength=n + 1)
        home = np.zeros(n + 1, int)
        home[parts[rest]] = whole[rest]
        large = areas >= _DEBRIS * mask.sum()
        large[0] = False
        siblings = np.bincount(home[large], minlength=whole.max() + 1)
        if (siblings > 1).any():
            divided = large & (siblings[home] > 1)
            return _nearest(mask, np.where(divided[parts], parts, 0))
        line = binary_dilation(line, EIGHT)
    return None


def _sides(mask: np.ndarray, line: np.ndarray, drawn_line: np.ndarray) -> np.ndarray | None:
    """The parts of a cell grouped by their side of a line; None if all are on one side."""
    from scipy.ndimage import label

    whole, n = label(mask, EIGHT)
    if n < 2 or not drawn_line.any():
        return None
    sides, _ = label(~line, EIGHT)
    side = np.zeros(n + 1, int)
    for part in range(1, n + 1):
        side[part] = np.bincount(sides[(whole == part) & ~line], minlength=1).argmax()
    return side[whole] if len(set(side[1:])) > 1 and side[1:].all() else None


def _nearest(mask: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Assign each pixel of the mask without a part to the nearest part."""
    from scipy.ndimage import distance_transform_edt

    if (parts[mask] > 0).all():
        return parts
    y, x = distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    return np.where(mask, parts[y, x], 0)


def _divided(cell: Instance, parts: np.ndarray | None, origin: tuple[int, int]) -> list[Pair]:
    """The cell as its largest part, which stays on its track, and new cells for the others."""
    if parts is None:
        return []
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    numbers = [k for k in np.argsort(-areas, kind="stable") if areas[k]]
    if len(numbers) < 2:
        return []
    largest, *others = (reshaped(cell, parts == k, origin) for k in numbers)
    new = (replace(other, id=0, track=0, parent=0) for other in others if other is not None)
    return [(cell, largest), *((None, other) for other in new)]
