"""Categories from a threshold on the probability of one of them, and cell counts per frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from napari_centermask.core.columns import PREDICTED, Columns
from napari_centermask.core.history import Change, Edit
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index, Result

_DEAD = re.compile(
    r"dead|dying|\bno[nt][-_ ]?(viable|vital|live|living|alive)|inviable|unviable|apopto|necro"
    r"|\b(tot(e[nrs]?)?|morte?s?|muert[oa]s?)\b",
    re.IGNORECASE,
)
_ALIVE = re.compile(r"\b(alive|live|living|viable|vital|lebend\w*|vivante?s?|viv[oa]s?)\b", re.IGNORECASE)
_SLACK = 1e-6  # more than float32 rounds a probability by (6e-8)


def dead_category(categories: Mapping[int, str]) -> int | None:
    """The category whose name means dead; or else, if one is called alive, the last one that is not.

    None for a single category, and if no name says anything about it: nuclei and cells are neither.
    """
    if len(categories) < 2:
        return None
    dead = [id for id, name in sorted(categories.items()) if _DEAD.search(name)]
    others = [id for id, name in sorted(categories.items()) if not _ALIVE.search(name)]
    if dead or len(others) == len(categories):
        return next(iter(dead), None)
    return (others or sorted(categories))[-1]


def renamed(cell: Instance, here: Mapping[int, int], theirs: Iterable[int], ours: Iterable[int]) -> Instance:
    """A cell with other category ids; its probabilities are reordered, with zeros for categories that it did not have.

    Parameters
    ----------
    here
        Id here for each id there.
    theirs
        All ids there: the probabilities are in their order.
    ours
        All ids here.
    """
    if not cell.probabilities and here.get(cell.category, cell.category) == cell.category:
        return cell
    theirs, probabilities = sorted(theirs), cell.probabilities
    if len(probabilities) > len(theirs):
        probabilities = ()  # for deleted categories: unknown which
    if probabilities:
        ids = [here.get(id, id) for id in theirs]
        by_id = dict(zip(ids, probabilities, strict=False))
        probabilities = tuple(by_id.get(id, 0.0) for id in sorted(ours))
    return replace(cell, category=here.get(cell.category, cell.category), probabilities=probabilities)


class CellProbabilities:
    """The probability of one category for each candidate of a result, and the categories by a threshold on it.

    Only predicted cells with probabilities follow a threshold; decisions of the user are kept. Updated edit by edit.

    Parameters
    ----------
    columns
        The cells if they are shared with others; else they are read.

    Attributes
    ----------
    columns
        The cells, one row each; `update` calls `columns.update`.
    category
        The one whose probability counts: "dead".
    probability
        (rows,) float32 of that category; NaN for cells without probabilities.
    other
        (rows,) int32, the most probable of the other categories; 0 for those cells.
    """

    def __init__(self, result: Result, category: int | None = None, *, columns: Columns | None = None) -> None:
        self.result, self.columns = result, Columns(result) if columns is None else columns
        self.choose(dead_category(result.categories) if category is None else category)

    def choose(self, category: int | None) -> None:
        """Use the probability of another category."""
        self.category = category
        self._ids = sorted(self.result.categories)
        self.probability, self.other = np.zeros(0, np.float32), np.zeros(0, np.int32)
        self._read(self.columns.alive())

    def update(self, edit: Edit) -> None:
        """Follow an edit."""
        rows = self.columns.update(edit)
        if self._ids != sorted(self.result.categories):
            self.choose(self.category)
        else:
            self._read(rows)

    def _read(self, rows: np.ndarray) -> None:
        n = len(self.columns.data)
        self.probability = np.append(self.probability, np.full(n - len(self.probability), np.nan, np.float32))
        self.other = np.append(self.other, np.zeros(n - len(self.other), np.int32))
        self.probability[rows], self.other[rows] = np.nan, 0
        at = self._ids.index(self.category) if self.category in self._ids else len(self._ids)
        cells = ((row, self.columns.cell(row)) for row in rows[self.columns.data["id"][rows] > 0].tolist())
        by_length: dict[int, list[tuple[int, tuple[float, ...]]]] = {}
        for row, cell in cells:
            by_length.setdefault(len(cell.probabilities), []).append((row, cell.probabilities))
        for n_known, known in by_length.items():
            if max(2, at + 1) <= n_known <= len(self._ids):
                which, values = np.array([row for row, _ in known]), np.array([p for _, p in known])
                self.probability[which] = values[:, at]
                values[:, at] = -np.inf
                self.other[which] = np.array(self._ids)[values.argmax(axis=1)]

    @property
    def free(self) -> np.ndarray:
        """(rows,) bool: the cell follows the threshold."""
        data = self.columns.data
        is_free: np.ndarray = (data["id"] > 0) & (data["status"] == PREDICTED) & ~np.isnan(self.probability)
        return is_free

    def categories(self, threshold: float | None) -> np.ndarray:
        """(rows,) int32: the category of each cell by a threshold; with None the current one."""
        now = self.columns.data["category"]
        if threshold is None:
            return now
        above = self.probability >= threshold - _SLACK
        return np.where(self.free, np.where(above, self.category or 0, self.other), now)

    def changes(self, threshold: float) -> list[Change]:
        """Changes that apply a threshold to the cells, for `History.do`; they stay predicted."""
        wanted = self.categories(threshold)
        rows = np.flatnonzero(wanted != self.columns.data["category"])
        cells = ((row, self.columns.cell(row)) for row in rows.tolist())
        return [
            Change(self.columns.plane(row), cell.id, cell, replace(cell, category=int(wanted[row])))
            for row, cell in cells
        ]

    def fitting(self, near: float) -> float | None:
        """A threshold that keeps the category of all cells: `near` if it does, else one with two decimals; None if none does."""
        free, now = self.free, self.columns.data["category"]
        if (self.categories(near) == now).all():
            return near
        chosen = self.probability[free & (now == self.category)]
        left = self.probability[free & (now != self.category)]
        low, high = left.max(initial=0.0), chosen.min(initial=1.0)
        steps = np.arange(np.floor(low * 100), np.ceil(high * 100) + 1) / 100
        fit = [float(t) for t in steps if (self.categories(t) == now).all()]
        return min(fit, key=lambda t: abs(t - near), default=None)

    def counts(self, threshold: float | None = None) -> Counts:
        """The cells that are shown, by plane and category."""
        rows = np.flatnonzero(self.columns.shown())
        leading, ids = (
            self.result.leading,
            sorted({*self._ids, *np.unique(self.columns.data["category"][rows]).tolist()}),
        )
        flat = np.array([np.ravel_multi_index(p, leading) if leading else 0 for p in self.columns.planes], np.int64)
        kinds = np.searchsorted(ids, self.categories(threshold)[rows])
        n = int(np.prod(leading, dtype=np.int64))
        cells = flat[self.columns.data["plane"][rows]] * len(ids) + kinds if len(rows) else kinds
        numbers = np.bincount(cells, minlength=n * len(ids)).reshape(*leading, len(ids))
        return Counts(numbers, tuple(ids), self.category)


@dataclass(frozen=True)
class Counts:
    """Cells by plane and category.

    Attributes
    ----------
    numbers
        (*leading, K) int.
    categories
        The K ids.
    dead
        The one that is not viable; None if there is none, and no viability then.
    """

    numbers: np.ndarray
    categories: tuple[int, ...]
    dead: int | None

    @property
    def leading(self) -> tuple[int, ...]:
        """Sizes of the time and z axes."""
        return self.numbers.shape[:-1]

    def of(self, index: Index) -> np.ndarray:
        """(K,) cells of one plane."""
        numbers: np.ndarray = self.numbers[index]
        return numbers

    def along(self, axis: int) -> np.ndarray:
        """(n, K) cells by position on one axis, summed over the others."""
        others = tuple(a for a in range(len(self.leading)) if a != axis)
        numbers: np.ndarray = self.numbers.sum(axis=others)
        return numbers

    @property
    def total(self) -> np.ndarray:
        """(K,) cells of the whole image."""
        numbers: np.ndarray = self.numbers.reshape(-1, len(self.categories)).sum(axis=0)
        return numbers

    def viability(self, numbers: np.ndarray) -> np.ndarray:
        """(...) float: percentage of cells (..., K) that are not dead; NaN without cells."""
        if self.dead is None:
            return np.full(np.shape(numbers)[:-1], np.nan)
        numbers = np.asarray(numbers, float)
        everything = numbers.sum(axis=-1)
        dead = numbers[..., self.categories.index(self.dead)] if self.dead in self.categories else 0.0
        percent: np.ndarray = 100 * np.divide(
            everything - dead, everything, out=np.full_like(everything, np.nan), where=everything > 0
        )
        return percent
