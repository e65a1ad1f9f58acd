"""Tables of cells as CSV or Parquet, written row by row."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install

Value = str | int | float
Row = Mapping[str, Value]
Write = Callable[[Sequence[Row]], None]
PARQUET = ".parquet"
NO_PARQUET = f"Parquet needs pyarrow: {how_to_install('measure')}. Or save as CSV."
_DIGITS = 7  # what float32 holds
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def check_table(path: Path) -> None:
    """Check before the work that the kind of table that a file's name says can be written.

    Raises
    ------
    MissingExtra
        For Parquet without pyarrow.
    """
    if path.suffix.lower() == PARQUET and find_spec("pyarrow") is None:
        raise MissingExtra(NO_PARQUET)


@contextmanager
def table(path: Path, columns: Mapping[str, type[Value]], *, kind: str) -> Iterator[Write]:
    """A function that writes rows to a table; missing values and NaN are empty.

    Parameters
    ----------
    columns
        The type of each column, in order.
    kind
        Ending of the file's final name: `PARQUET`, or else CSV.
    """
    with (_parquet if kind.lower() == PARQUET else _csv)(path, columns) as write:
        yield write


@contextmanager
def _csv(path: Path, columns: Mapping[str, type[Value]]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns), restval="", lineterminator="\n")
        writer.writerow({name: _text(name) for name in columns})
        yield lambda rows: writer.writerows({name: as_text(value) for name, value in row.items()} for row in rows)


def as_text(value: Value) -> str:
    """A value of a CSV: numbers with seven digits, empty for NaN, and text that no spreadsheet takes for a formula."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return str(value)
    return f"{value:.{_DIGITS}g}" if math.isfinite(value) else ""


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text


@contextmanager
def _parquet(path: Path, columns: Mapping[str, type[Value]]) -> Iterator[Write]:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with ParquetWriter(path, schema) as writer:

        def write(rows: Sequence[Row]) -> None:
            filled = {name: [_finite(row.get(name)) for row in rows] for name in columns}
            writer.write_table(pyarrow.table(filled, schema=schema))

        yield write


def _finite(value: Value | None) -> Value | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
