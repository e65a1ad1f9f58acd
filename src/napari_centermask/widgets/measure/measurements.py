"""The measurements of the cells of an image, as columns; and the work of the thread that makes them."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.core.measure import CORRECTED, INTENSITY
from napari_centermask.io.measurements import Measured, cell_columns, cell_rows
from napari_centermask.io.tables import Row
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.tasks import Failed

_EVERY = 25  # cells between two reports of progress
_HIDDEN = ("image", "category_id")
_TEXTS = ("category", "status", "source")
_UNITS = {"px": "px", "um": "µm", "um2": "µm²", "deg": "°"}
# Area in pixels, diameter, roundness: what is looked at first.
_FIRST = ("area_um2", "area_px", "equivalent_diameter_um", "equivalent_diameter_px", "circularity", "eccentricity")


@dataclass(frozen=True)
class Measurements:
    """A row for each cell that is shown.

    Attributes
    ----------
    columns
        (n,) each, by the names of `io.measurements.cell_columns`: int64, float64, or text.
    seconds
        How long measuring took.
    """

    columns: Mapping[str, np.ndarray]
    seconds: float = 0.0

    @property
    def ids(self) -> np.ndarray:
        """(n,) int64, the cells."""
        return self.columns["id"] if "id" in self.columns else np.zeros(0, np.int64)

    @property
    def numeric(self) -> list[str]:
        """The columns that can be plotted, the usual ones first."""
        names = [n for n in self.columns if n not in (*_HIDDEN, *_TEXTS, "id")]
        first = [n for n in _FIRST if n in names]
        return [*first, *(n for n in names if n not in first)]

    @property
    def listed(self) -> list[str]:
        """The columns of the table: the cell, what it is, and then all measures, the usual ones first."""
        own = [n for n in ("id", "category") if n in self.columns]
        return [*own, *self.numeric, *(n for n in ("status", "source") if n in self.columns)]

    def rows_of(self, ids: Iterable[int]) -> np.ndarray:
        """(k,) int64, the rows of those of the cells that are measured."""
        return np.flatnonzero(np.isin(self.ids, np.fromiter(ids, np.int64)))


def title(name: str) -> str:
    """A column's heading with its unit: "area_um2" is "Area (µm²)", "corrected_mean_DAPI" is "Corrected mean DAPI"."""
    for measure in sorted((*CORRECTED, *INTENSITY), key=len, reverse=True):
        if name.startswith(f"{measure}_"):
            return f"{_words(measure)} {name[len(measure) + 1 :]}"
    if name.startswith("p_"):
        return f"P({name[2:]})"
    stem, _, unit = name.rpartition("_")
    return f"{_words(stem)} ({_UNITS[unit]})" if stem and unit in _UNITS else _words(name)


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def measure_cells(image: Measured) -> Generator[Progress, None, Measurements | Failed]:
    """Measure the cells of an image, as `measure` on the command line does; for the worker thread."""
    began, total = time.perf_counter(), image.result.n_visible()
    rows: list[Row] = []
    try:
        for row in cell_rows(image):
            rows.append(row)
            if len(rows) % _EVERY == 0:
                yield Progress(len(rows), total, f"Measuring cell {len(rows):,} of {total:,} …")
    except UserError as error:
        return Failed.of(error)
    return Measurements(_columns(rows, cell_columns([image])), time.perf_counter() - began)


def _columns(rows: Sequence[Row], kinds: Mapping[str, type[Any]]) -> dict[str, np.ndarray]:
    types: dict[type[Any], tuple[type[Any], object]] = {int: (np.int64, 0), float: (np.float64, np.nan)}
    columns = {}
    for name, kind in kinds.items():
        dtype, missing = types.get(kind, (object, ""))
        columns[name] = np.array([row.get(name, missing) for row in rows], dtype)
    return columns
