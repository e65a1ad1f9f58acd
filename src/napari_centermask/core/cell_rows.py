"""The rows of `Result.table` as arrays, kept up to date cell by cell: rebuilding them takes 0.2 s with 50,000 cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from napari_centermask.core.result import Index, Result

_STEP = 1000  # cells, about 5 ms


class CellRows:
    """One row for each candidate of a result.

    Parameters
    ----------
    later
        Read nothing yet: `steps` does.

    Attributes
    ----------
    columns
        (n,) each, by name; an update replaces arrays and never changes one, so that they can be handed out.
    """

    def __init__(self, result: Result, *, later: bool = False) -> None:
        self.result = result
        self.columns: dict[str, np.ndarray] = {}
        if not later:
            for _ in self.steps():
                pass

    def steps(self) -> Iterator[None]:
        """Read the whole result as it is now, in steps of some milliseconds."""
        found, parts = self.result.placed(), []
        for k in range(0, max(1, len(found)), _STEP):
            table = self.result.table(found[k : k + _STEP])
            parts.append({name: _array(name, values) for name, values in table.items()})
            yield
        self.columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def update(self, places: Mapping[int, Index]) -> None:
        """Update the rows of some cells, id -> plane, from the result; new rows are appended."""
        columns = {name: values.copy() for name, values in self.columns.items()}
        gone: list[int] = []
        new: list[dict[str, object]] = []
        for id, index in places.items():
            at = np.flatnonzero(self.columns["index"] == id)
            cell = self.result.get(index, id)
            if cell is None:
                gone += at.tolist()
                continue
            row = self.result.row(index, cell)
            if not len(at):
                new.append(row)
                continue
            for name in columns:
                columns[name][at[0]] = row[name]
        for name, values in columns.items():
            kept = np.delete(values, gone) if gone else values
            added = _array(name, [row[name] for row in new])
            self.columns[name] = np.concatenate([kept, added]) if new else kept


def _array(name: str, values: list[object]) -> np.ndarray:
    kinds = {"index": np.int64, "id": np.int64, "area": np.int64, "score": np.float64, "mask_quality": np.float64}
    return np.array(values, kinds.get(name, object))
