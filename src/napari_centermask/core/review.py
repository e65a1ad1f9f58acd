"""The order in which to review cells, and the progress of the review."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_centermask.core.columns import PREDICTED, REJECTED, Columns
from napari_centermask.core.instances import at_border
from napari_centermask.core.ranking import cell_values

By = Literal["doubt", "training_value"]
"""What comes first: cells that are probably wrong, or those that would improve a model most."""

# The weight of each ground; together they add up like independent risks. A score of 0.5 weighs as much as
# a mask quality of 0.4 or a cell of which five sixths lie under others. Chosen, not measured.
_WEIGHTS = {"score": 1.0, "mask_quality": 0.8, "overlap": 0.6, "shape": 0.7, "cut": 0.25}
# Of annotated nuclei 98 % lie above the first (94 % in H&E), of two touching ones taken for one about half lie below it
# (docs/benchmarks.md, "What annotated cells are like"); at the second a shape is as odd as can be (chosen).
_SOLID, _ODD = 0.92, 0.62
_NEAR_SEAM = 1.5  # pixels: a mask cut at a seam ends in the row beside it
_STRONG = 0.15  # of a weighed ground, from which on it is named; a choice: a score of 0.85, or a touched border


@dataclass(frozen=True)
class ReviewCount:
    """How many of the cells have been reviewed."""

    done: int
    total: int

    def __str__(self) -> str:
        return f"{self.done:,} of {self.total:,} reviewed"


def count_reviewed(columns: Columns) -> ReviewCount:
    """Count the cells that are shown or rejected, and those of them that have been reviewed."""
    status = columns.data["status"]
    listed = columns.shown() | ((columns.data["id"] > 0) & (status == REJECTED))
    return ReviewCount(int(np.count_nonzero(listed & (status != PREDICTED))), int(np.count_nonzero(listed)))


def grounds(columns: Columns, rows: np.ndarray, *, measure: bool = True) -> dict[str, np.ndarray]:
    """What speaks against each cell.

    Parameters
    ----------
    measure
        Measure missing overlap and shape; else unknown values do not count against a cell.

    Returns
    -------
    dict
        (n,) float each, from 0 to 1: "score" and "mask_quality" (how far below 1), "overlap" (fraction shared with other
        cells), "shape" (odd outline), "cut" (touches the image's border or a seam of tiles).
    """
    if measure:
        columns.measure(rows)
    data = columns.data[rows]
    return {
        "score": 1 - np.clip(data["score"], 0, 1),
        "mask_quality": 1 - np.clip(data["mask_quality"], 0, 1),
        "overlap": np.nan_to_num(data["overlap"].astype(float), nan=0.0),
        "shape": np.clip((_SOLID - np.nan_to_num(data["solidity"], nan=1.0)) / (_SOLID - _ODD), 0, 1),
        "cut": _cut(columns, rows).astype(float),
    }


def _cut(columns: Columns, rows: np.ndarray) -> np.ndarray:
    """(n,) bool: the cell touches the border of the image or of a tile's core."""
    boxes = columns.data["box"][rows]
    is_cut = at_border(boxes, columns.result.shape)
    planes = columns.data["plane"][rows]
    for index, seams in columns.result.seams.items():
        if index not in columns.planes:
            continue
        here = planes == columns.planes.index(index)
        for axis, lines in enumerate(seams):
            low, high = boxes[here, axis], boxes[here, axis + 2]
            for line in lines:
                is_cut[here] |= np.minimum(np.abs(low - line), np.abs(high - line)) <= _NEAR_SEAM
    return is_cut


def doubts(columns: Columns, rows: np.ndarray, *, measure: bool = True) -> np.ndarray:
    """(n,) float in [0, 1]: how uncertain each cell is; `measure` as in `grounds`."""
    rows = np.asarray(rows, np.int64)
    sure = np.ones(len(rows))
    for ground, value in grounds(columns, rows, measure=measure).items():
        sure *= 1 - _WEIGHTS[ground] * value
    return 1 - sure


def reason(columns: Columns, row: int) -> str:
    """The strongest reasons why a cell is uncertain, in words; empty if there are none."""
    rows = np.array([row])
    weighed = {k: _WEIGHTS[k] * float(v[0]) for k, v in grounds(columns, rows).items()}
    data = columns.data[row]
    texts = {
        "score": f"low score ({data['score']:.2f})",
        "mask_quality": f"low mask quality ({data['mask_quality']:.2f})",
        "overlap": f"{data['overlap']:.0%} shared with other cells",
        "shape": f"odd shape (fills {data['solidity']:.0%} of its hull)",
        "cut": "cut by a border or a seam",
    }
    strong = sorted((k for k, v in weighed.items() if v >= _STRONG), key=lambda k: -weighed[k])
    return ", ".join(texts[k] for k in strong[:3])


def order(columns: Columns, rows: np.ndarray, *, by: By = "doubt", measure: bool = True) -> np.ndarray:
    """The rows, most uncertain first, or those that help training most; of equals the smaller id. `measure` as in `grounds`."""
    rows = np.asarray(rows, np.int64)
    data = columns.data[rows]
    if by == "training_value":
        values = cell_values(data["score"], data["mask_quality"])
    else:
        values = doubts(columns, rows, measure=measure)
    return rows[np.lexsort((data["id"], -values))]


def queue(columns: Columns, id: int | None = None, *, by: By = "doubt", measure: bool = True) -> list[int]:
    """The ids to visit, most uncertain or most useful for training first: of all cells that are not reviewed yet.

    Parameters
    ----------
    id
        The current cell. It keeps its place after it was reviewed, so that the review continues from there.
    by
        What comes first.
    measure
        As in `grounds`.
    """
    waiting = unreviewed(columns, columns.alive())
    here = columns.row(id)
    if here is not None and len(waiting):
        waiting = np.union1d(waiting, [here])
    ids: list[int] = columns.data["id"][order(columns, waiting, by=by, measure=measure)].tolist()
    return ids


def unreviewed(columns: Columns, rows: np.ndarray) -> np.ndarray:
    """The rows that are shown and not reviewed."""
    rows = np.asarray(rows, np.int64)
    waiting: np.ndarray = rows[columns.shown()[rows] & (columns.data["status"][rows] == PREDICTED)]
    return waiting
