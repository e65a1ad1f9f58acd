"""Tiles of a large image, and the cells across their seams.

Two tiles see the same convolution grid because tiles start at multiples of 32. A cell belongs to the tile whose core
contains the centre of the part that the tile sees, so that mask heads run about once per cell. A cell larger than the
overlap is cut in several tiles; its pieces agree where both tiles saw it, and are merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_centermask.core.instances import Box, Instance, intersection
from napari_centermask.core.neighbours import overlapping_pairs

# With these, tiles of 512 and of 2048 find the same cells (docs/benchmarks.md, "Large images": F1 0.9994 at IoU 0.7, 0.9970 at
# 0.9); each alone was chosen, not measured.
_STRETCH = 1 / 8  # a tile may be larger than asked by this factor if that saves a row of tiles
_TOLERANCE = 3.0  # pixels beyond the core in which a centre still counts; boxes differ by that much between tiles
_CUT = 4.0, 0.04  # a box is cut if it comes this close to a tile's inner edge: pixels, and fraction of its side
_AGREE = 0.5  # IoU of two pieces in the region that both tiles saw
_AGREE_ACROSS = 0.7  # the same for two categories: one cell, seen as live and as dead, but not a nucleus and its cell


@dataclass(frozen=True)
class Tile:
    """A window and the part of it that no other tile owns; (y0, x0, y1, x1), half-open."""

    box: Box
    core: Box


@dataclass(frozen=True)
class Piece:
    """A cell as seen by one tile.

    Attributes
    ----------
    instance
        In image pixels, nothing outside of `seen`.
    seen
        (y0, x0, y1, x1), the tile in image pixels.
    cut
        Whether the cell may extend beyond the tile.
    """

    instance: Instance
    seen: Box
    cut: bool


def plan(shape: tuple[int, int], *, tile: int, overlap: int, align: int = 32) -> list[Tile]:
    """Spread tiles evenly over an image.

    Parameters
    ----------
    shape
        (H, W) of the image.
    tile
        Target side. Tiles are smaller if the image allows, and up to an eighth larger if that saves tiles.
    overlap
        Smallest number of pixels that neighbours share.
    align
        Tiles start at multiples of this, and their sides are multiples of it, except at the image's end.

    Returns
    -------
    list of Tile
        Row by row; the cores partition the image.

    Raises
    ------
    ValueError
        If the overlap leaves nothing of a tile.
    """
    if overlap + align > tile:
        raise ValueError(f"Expected an overlap of at most tile - {align}, got {overlap} with a tile of {tile}.")
    rows, cols = (_spans(length, tile=tile, overlap=overlap, align=align) for length in shape)
    return [Tile((y[0], x[0], y[1], x[1]), (y[2], x[2], y[3], x[3])) for y in rows for x in cols]


def _spans(length: int, *, tile: int, overlap: int, align: int) -> list[tuple[int, int, int, int]]:
    """(start, stop, core start, core stop) along one axis."""
    total, shared, most = -(-length // align), -(-overlap // align), int(tile * (1 + _STRETCH)) // align
    count = 1 if total <= most else -(-(total - shared) // (most - shared))
    side = -(-(total + (count - 1) * shared) // count)
    starts = [round(k * (total - side) / max(1, count - 1)) * align for k in range(count)]
    stops = [min(start + side * align, length) for start in starts]
    seams = [(start + stop) // 2 for start, stop in zip(starts[1:], stops[:-1], strict=True)]
    return list(zip(starts, stops, [0, *seams], [*seams, length], strict=True))


def owned(boxes: np.ndarray, tile: Tile) -> np.ndarray:
    """Which detections a tile keeps.

    Parameters
    ----------
    boxes
        (N, 4) float, x0, y0, x1, y1 in the pixels of the tiled image; may extend beyond the tile.

    Returns
    -------
    numpy.ndarray
        (N,) bool: the centre of the part in the tile is in the core, or within a few pixels of it. `merge` removes what
        two tiles kept.
    """
    y0, x0, y1, x1 = tile.box
    low, high = np.array([x0, y0]), np.array([x1, y1])
    first, last = np.maximum(boxes[:, :2], low), np.minimum(boxes[:, 2:], high)
    centre = (first + last) / 2
    y0, x0, y1, x1 = tile.core
    low, high = np.array([x0, y0]) - _TOLERANCE, np.array([x1, y1]) + _TOLERANCE
    is_owned: np.ndarray = ((first < last) & (centre >= low) & (centre < high)).all(axis=1)
    return is_owned


def cut(boxes: np.ndarray, tile: Tile, shape: tuple[int, int]) -> np.ndarray:
    """Which boxes come so close to an inner edge of the tile that their cell may extend beyond it.

    Parameters
    ----------
    boxes
        As in `owned`.
    shape
        (H, W) of the tiled image; its border cuts nothing.

    Returns
    -------
    numpy.ndarray
        (N,) bool.
    """
    y0, x0, y1, x1 = tile.box
    margin = _CUT[0] + _CUT[1] * (boxes[:, 2:] - boxes[:, :2])
    low = np.array([x0 if x0 > 0 else -np.inf, y0 if y0 > 0 else -np.inf])
    high = np.array([x1 if x1 < shape[1] else np.inf, y1 if y1 < shape[0] else np.inf])
    is_cut: np.ndarray = ((boxes[:, :2] < low + margin) | (boxes[:, 2:] > high - margin)).any(axis=1)
    return is_cut


def merge(pieces: Sequence[Piece]) -> list[Instance]:
    """Merge the cells of all tiles into one instance per cell.

    Of two whole cells that are the same, the better is kept. Pieces of a cell that another tile saw whole are dropped;
    other pieces that agree are merged. Time is linear in the number of pieces.

    Returns
    -------
    list of Instance
        Cells that touch no seam come back unchanged.
    """
    return [cell for _, cell in merge_agreeing(pieces, same_cell(pieces))]


def merge_agreeing(pieces: Sequence[Piece], pairs: Sequence[tuple[int, int]]) -> list[tuple[int, Instance]]:
    """Merge pieces of which is known which ones show one cell; see `merge`.

    Parameters
    ----------
    pairs
        Positions of two pieces each, from `same_cell`.

    Returns
    -------
    list of (int, Instance)
        The position of a cell's first piece, and the cell; in the order of the positions.
    """
    quality = [p.instance.score * p.instance.mask_quality for p in pieces]
    kept = [True] * len(pieces)
    whole = [
        (i, j) if quality[i] >= quality[j] else (j, i) for i, j in pairs if not pieces[i].cut and not pieces[j].cut
    ]
    for better, worse in sorted(whole, key=lambda pair: -quality[pair[0]]):
        if kept[better]:
            kept[worse] = False
    for i, j in pairs:
        if pieces[i].cut != pieces[j].cut:
            part, complete = (i, j) if pieces[i].cut else (j, i)
            kept[part] = kept[part] and not kept[complete]
    links = [(i, j) for i, j in pairs if pieces[i].cut and pieces[j].cut and kept[i] and kept[j]]
    groups = _groups([k for k, keep in enumerate(kept) if keep], links)
    return [(g[0], _unite([pieces[k].instance for k in sorted(g, key=lambda k: -quality[k])])) for g in groups]


def same_cell(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Pairs of pieces from different tiles that show one cell."""
    boxes = np.array([p.instance.box for p in pieces], np.float64).reshape(-1, 4)
    seen = np.array([p.seen for p in pieces], np.int64).reshape(-1, 4)
    i, j = overlapping_pairs(boxes)
    apart = (seen[i] != seen[j]).any(axis=1)
    return [(a, b) for a, b in zip(i[apart].tolist(), j[apart].tolist(), strict=True) if _agree(pieces[a], pieces[b])]


def _agree(a: Piece, b: Piece) -> bool:
    """The same pixels where both tiles could see them."""
    least = _AGREE if a.instance.category == b.instance.category else _AGREE_ACROSS
    shared = intersection(a.instance, b.instance)
    if not shared:
        return False
    if not a.cut and not b.cut:
        return shared >= least * (a.instance.area + b.instance.area - shared)
    both = max(a.seen[0], b.seen[0]), max(a.seen[1], b.seen[1]), min(a.seen[2], b.seen[2]), min(a.seen[3], b.seen[3])
    return shared >= least * (_area_within(a.instance, both) + _area_within(b.instance, both) - shared)


def _area_within(instance: Instance, box: Box) -> int:
    y0, x0 = max(0, box[0] - instance.y0), max(0, box[1] - instance.x0)
    y1, x1 = max(0, box[2] - instance.y0), max(0, box[3] - instance.x0)
    return int(np.count_nonzero(instance.mask[y0:y1, x0:x1]))


def _groups(members: list[int], links: list[tuple[int, int]]) -> list[list[int]]:
    """Groups of members that are linked directly or through others, in the order of their first member."""
    parent = {k: k for k in members}

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = k = parent[parent[k]]
        return k

    for i, j in links:
        parent[max(root(i), root(j))] = min(root(i), root(j))
    groups: dict[int, list[int]] = {}
    for k in members:
        groups.setdefault(root(k), []).append(k)
    return list(groups.values())


def _unite(parts: list[Instance]) -> Instance:
    """The union of the masks, with the fields of the first."""
    if len(parts) == 1:
        return parts[0]
    boxes = np.array([p.box for p in parts])
    (y0, x0), (y1, x1) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    mask = np.zeros((y1 - y0, x1 - x0), bool)
    for part in parts:
        mask[part.y0 - y0 : part.box[2] - y0, part.x0 - x0 : part.box[3] - x0] |= part.mask
    return replace(parts[0], y0=y0, x0=x0, mask=mask)
