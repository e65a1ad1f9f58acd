"""Apply a classifier to the cells of a result, as changes that keep what the user decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.history import Change
from napari_centermask.core.instances import Instance
from napari_centermask.core.probabilities import mixed
from napari_centermask.core.result import Index, Result


def to_classify(result: Result, *, judged: bool = False) -> dict[Index, list[Instance]]:
    """The cells to classify, by plane; planes without such cells are left out.

    Parameters
    ----------
    judged
        Also cells that were accepted or corrected, and those in reviewed regions. Rejected ones never.
    """

    def may(index: Index, cell: Instance) -> bool:
        if judged:
            return cell.status != "rejected"
        return cell.status == "predicted" and not result.in_reviewed(index, cell)

    by_plane = {index: [c for c in plane if may(index, c)] for index, plane in result.planes.items()}
    return {index: cells for index, cells in by_plane.items() if cells}


def with_names(categories: Mapping[int, str], names: Sequence[str]) -> dict[int, str]:
    """The categories with missing names added under larger ids, so that probabilities keep their places."""
    known = set(categories.values())
    new = [name for name in names if name not in known]
    return {**categories, **dict(enumerate(new, start=max(categories, default=0) + 1))}


@paused_collection()
def classified(
    result: Result,
    index: Index,
    cells: Sequence[Instance],
    said: np.ndarray,
    names: Sequence[str],
    *,
    mean: bool = False,
) -> list[Change]:
    """Changes that give cells of a plane their probabilities and the most probable category, for `History.do`.

    Cells that the user has changed meanwhile are left out; another category by a threshold does not matter. A
    category has the same name in both, see
    `with_names`.

    Parameters
    ----------
    cells
        Cells from `to_classify`.
    said
        (N, K) probabilities of each cell, in the order of the K names.
    mean
        Average with the probabilities that a cell already has, if any.
    """
    now = [result.get(index, cell.id) for cell in cells]
    same = [(k, cell) for k, cell in enumerate(now) if cell is not None and _is_same(cells[k], cell)]
    cells, said = [cell for _, cell in same], said[[k for k, _ in same]]
    categories = with_names(result.categories, names)
    ids = sorted(categories)
    place = {categories[id]: k for k, id in reversed(list(enumerate(ids)))}
    probabilities = np.zeros((len(cells), len(ids)))
    probabilities[:, [place[name] for name in names]] = said
    if mean and len(cells):
        probabilities = mixed([_own(cells, len(result.categories), len(ids)), probabilities])
    best = probabilities.argmax(axis=1) if len(cells) else ()
    return [
        Change(index, cell.id, cell, replace(cell, category=ids[k], probabilities=tuple(row.tolist())))
        for cell, row, k in zip(cells, probabilities, best, strict=True)
    ]


def _is_same(then: Instance, now: Instance | None) -> bool:
    """Whether a cell is unchanged; a threshold changes the category of a predicted cell, not its mask."""
    if now is None or now is then:
        return now is then
    return then.status == now.status == "predicted" and now.mask is then.mask and now.box == then.box


def _own(cells: Sequence[Instance], known: int, n: int) -> np.ndarray:
    """(N, n) the probabilities of cells; a row of NaN for cells without, or if categories have been deleted."""
    own = np.full((len(cells), n), np.nan)
    for row, cell in zip(own, cells, strict=True):
        if 2 <= len(cell.probabilities) <= known:
            row[:] = 0.0
            row[: len(cell.probabilities)] = cell.probabilities
    return own
