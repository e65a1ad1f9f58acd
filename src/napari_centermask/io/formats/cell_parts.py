"""A table of cells as a folder of Parquet files, one for each step of a run: written while it runs, read as one table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadAnnotations, MissingExtra, reason
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.result import Index, centre
from napari_centermask.io.whole_file import whole_file
from napari_centermask.io.zarr_groups import is_inside

Row = dict[str, Any]
_PART = "part-{:06}.parquet"


def check_parquet() -> None:
    """Check before the work that the table can be written.

    Raises
    ------
    MissingExtra
        Without pyarrow.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        needed = how_to_install("formats", "measure")
        raise MissingExtra(f"The table of cells of a large image needs pyarrow: {needed}.") from None


class CellParts:
    """A folder of parts.

    Parameters
    ----------
    folder
        Made with the first part.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, number: int, cells: Sequence[tuple[int, Instance]], index: Index, names: Mapping[int, str]) -> None:
        """Write a part, whole or not at all; none without cells.

        Parameters
        ----------
        cells
            The number of the label image that each cell is in, and the cell.
        names
            Of the categories.
        """
        if cells:
            _write(self.folder / _PART.format(number), _table(cells, index, names))

    def number_for(self, gone: Collection[int]) -> int:
        """The part for the cells of a correction: the first one that loses some of its cells to it, else the last one."""
        numbers = [_number(path) for path in self._paths()]
        losing = (_number(path) for path in self._paths() if gone and self._meets(path, gone))
        return next(losing, numbers[-1] if numbers else 0)

    def exchange(
        self,
        number: int,
        gone: Collection[int],
        cells: Sequence[tuple[int, Instance]],
        index: Index,
        names: Mapping[int, str],
    ) -> None:
        """Replace the rows of cells by those of others; can be repeated.

        Parameters
        ----------
        number
            Of the part that gets the new rows.
        gone
            Ids of the cells without a row afterwards.
        cells, index, names
            As in `write`; some may have ids that are gone.
        """
        import pyarrow

        target = self.folder / _PART.format(number)
        left = {*gone, *(cell.id for _, cell in cells)}
        for path in sorted({*self._paths(), target}):
            if path != target and not self._meets(path, left):
                continue
            parts = [_without(_read(path), left)] if path.exists() else []
            parts += [_table(cells, index, names)] if path == target else []
            _write(path, pyarrow.concat_tables(parts))

    def _meets(self, path: Path, ids: Collection[int]) -> bool:
        found = _read(path, columns=["id"])["id"].to_pylist()
        return not set(found).isdisjoint(ids)

    def drop_from(self, number: int) -> None:
        """Remove the parts from a number on, which a stopped run wrote after what it noted last."""
        for path in self._paths():
            if _number(path) >= number:
                path.unlink()

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def rows(self, box: Box | None = None, index: Index | None = None) -> Iterator[Row]:
        """The rows of all cells, or of those whose boxes meet a box (y0, x0, y1, x1) of a plane; one part is in memory at a time.

        Raises
        ------
        BadAnnotations
            If a part is damaged.
        MissingExtra
            Without pyarrow.
        """
        check_parquet()
        for path in self._paths():
            yield from _read(path, filters=_filters(box, index)).to_pylist()


def table_of(path: Path, own: object) -> CellParts | None:
    """The table of the cells in an OME-Zarr folder, by the attributes of its labels; None if it has none there."""
    name = own.get("table") if isinstance(own, dict) else None
    if not is_inside(name) or not isinstance(name, str):
        return None
    table = CellParts(path.parent / name)
    return table if table.folder.is_dir() else None


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _read(path: Path, **options: Any) -> Any:
    import pyarrow
    from pyarrow.parquet import read_table

    try:
        return read_table(path, **options)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise BadAnnotations(
            f"{path} cannot be read: {reason(error)}. Copy the folder again, or segment the image again."
        ) from error


def _write(path: Path, table: Any) -> None:
    from pyarrow.parquet import write_table

    with whole_file(path) as part:
        write_table(table, part, compression="snappy")


def _table(cells: Sequence[tuple[int, Instance]], index: Index, names: Mapping[int, str]) -> Any:
    import pyarrow

    columns: dict[str, list[Any]] = {name: [] for name in _schema().names}
    for label, cell in cells:
        for name, value in _row(label, cell, index, names).items():
            columns[name].append(value)
    return pyarrow.table(columns, schema=_schema())


def _without(table: Any, ids: Collection[int]) -> Any:
    kept = [id not in ids for id in table["id"].to_pylist()]
    return table.filter(kept)


def _filters(box: Box | None, index: Index | None) -> list[tuple[str, str, Any]] | None:
    chosen: list[tuple[str, str, Any]] = []
    if box is not None:
        chosen += [("y0", "<", box[2]), ("y1", ">", box[0]), ("x0", "<", box[3]), ("x1", ">", box[1])]
    if index is not None:
        chosen += [("t", "=", (0, 0, *index)[-2]), ("z", "=", (0, 0, *index)[-1])]
    return chosen or None


def _schema() -> Any:
    import pyarrow as pa

    whole, real = pa.int64(), pa.float64()
    return pa.schema(
        [
            *((name, whole) for name in ("id", "t", "z", "label_image", "y0", "x0", "y1", "x1", "area")),
            *((name, real) for name in ("y", "x", "diameter")),
            ("category", whole),
            ("category_name", pa.string()),
            *((name, real) for name in ("score", "mask_quality")),
            *((name, pa.string()) for name in ("status", "source")),
            ("order", real),
            ("probabilities", pa.list_(real)),
            *((name, whole) for name in ("track", "parent")),
        ]
    )


def _row(label: int, cell: Instance, index: Index, names: Mapping[int, str]) -> Row:
    y, x = centre(cell)
    t, z = (0, 0, *index)[-2:]
    y0, x0, y1, x1 = cell.box
    return {
        "id": cell.id,
        "t": t,
        "z": z,
        "label_image": label,
        "y0": y0,
        "x0": x0,
        "y1": y1,
        "x1": x1,
        "area": cell.area,
        "y": y,
        "x": x,
        "diameter": cell.diameter,
        "category": cell.category,
        "category_name": names.get(cell.category, ""),
        "score": cell.score,
        "mask_quality": cell.mask_quality,
        "status": cell.status,
        "source": cell.source,
        "order": cell.order,
        "probabilities": list(cell.probabilities),
        "track": cell.track,
        "parent": cell.parent,
    }


def cell_of(row: Row, mask: np.ndarray) -> Instance:
    """A cell from its row and its mask, (h, w) bool."""
    names = ("category", "score", "mask_quality", "status", "source", "order", "track", "parent")
    values = {name: row[name] for name in names}
    return Instance(row["id"], row["y0"], row["x0"], mask, probabilities=tuple(row["probabilities"] or ()), **values)
