"""The rows of the table of cells: sorted and filtered with numpy, and made only when they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QColor

from napari_centermask.core import review
from napari_centermask.core.cell_filter import matching
from napari_centermask.core.columns import PREDICTED, REJECTED, STATUSES, Columns
from napari_centermask.widgets.parts.colours import category_colour, score_colour

# key, heading, width in pixels, tooltip
COLUMNS = (
    ("id", "Id", 44, "Number of the cell. It is never reused."),
    (
        "doubt",
        "Uncertainty",
        94,
        "How uncertain it is, from 0 to 1: low score or mask quality, overlap, odd shape, cut at a seam. Empty once reviewed.",
    ),
    ("score", "Score", 48, "Confidence of the detection."),
    ("mask_quality", "Quality", 54, "Predicted IoU of the mask."),
    ("overlap", "Overlap", 56, "Fraction of the cell that it shares with other cells."),
    ("area", "Area", 50, "Pixels."),
    ("status", "Status", 68, "Predicted, accepted, corrected or rejected."),
    ("category", "Category", 76, "What kind of cell it is."),
    ("source", "Source", 70, "Who made it: a model, a person, or a file."),
    ("plane", "Plane", 52, "Position on the time and z axes."),
)
KEYS = tuple(key for key, *_ in COLUMNS)
_BARS = ("doubt", "score", "mask_quality", "overlap")
_STATUS_COLOURS = {"predicted": "#9aa4b2", "accepted": "#7bd389", "corrected": "#4cc9f0", "rejected": "#f2789f"}
_DIM = QColor(128, 128, 128)
_NUMBER = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
BAR = Qt.ItemDataRole.UserRole


class CellModel(QAbstractTableModel):
    """The filtered rows of `Columns`, in the order of one column."""

    def __init__(self, columns: Columns | None = None) -> None:
        super().__init__()
        self.columns = columns
        self.rows = np.zeros(0, np.int64)
        self._places = np.zeros(0, np.int64)
        self._text = ""
        self._plane: tuple[int, ...] | None = None
        self._key, self._falling = "doubt", True
        self._doubts = np.zeros(0)
        self.refresh()

    def set_columns(self, columns: Columns | None) -> None:
        """Show other cells; sorting and filter stay."""
        self.columns = columns
        self.refresh()

    def set_filter(self, text: str, *, plane: tuple[int, ...] | None = None) -> None:
        """Show cells that match all words (see `core.cell_filter.matching`), of one plane or of all.

        Raises
        ------
        BadSettings
            If the filter is not valid; the rows stay as they are.
        """
        if self.columns is not None:
            matching(self.columns, text)
        self._text, self._plane = text, plane
        self.refresh()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; of equals the smaller id comes first."""
        self._key, self._falling = KEYS[column], order == Qt.SortOrder.DescendingOrder
        self.refresh()

    def refresh(self, changed: Iterable[int] | None = None) -> None:
        """Update the rows from the columns; `changed` are the rows that changed, by default all."""
        rows = self._listed()
        if changed is not None and np.array_equal(rows, self.rows):
            places = self.places(changed)
            if len(places):
                self.dataChanged.emit(self.index(int(places.min()), 0), self.index(int(places.max()), len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self.rows = rows
        self._places = np.full(0 if self.columns is None else len(self.columns.data), -1, np.int64)
        self._places[rows] = np.arange(len(rows))
        self.endResetModel()

    def _listed(self) -> np.ndarray:
        """The rows to list, in their order."""
        columns = self.columns
        if columns is None:
            return np.zeros(0, np.int64)
        data = columns.data
        waiting = np.flatnonzero((data["id"] > 0) & (data["status"] == PREDICTED))
        self._doubts = np.full(len(data), -1.0)
        self._doubts[waiting] = review.doubts(columns, waiting, measure=False)
        wanted = (columns.shown() | (data["status"] == REJECTED)) & matching(columns, self._text)
        if self._plane is not None:
            here = columns.planes.index(self._plane) if self._plane in columns.planes else -1
            wanted &= data["plane"] == here
        rows = np.flatnonzero(wanted)
        values = self._sortable(rows)
        return rows[np.lexsort((data["id"][rows], -values if self._falling else values))]

    def _sortable(self, rows: np.ndarray) -> np.ndarray:
        """(n,) numbers by which the rows are sorted."""
        columns, key = self.columns, self._key
        if key == "doubt":
            return self._doubts[rows]
        if key == "category":
            return _ranks(columns.result.categories, columns.data["category"][rows])
        if key == "source":
            return _ranks(dict(enumerate(columns.sources)), columns.data["source"][rows])
        if key == "plane":
            return _ranks(dict(enumerate(columns.planes)), columns.data["plane"][rows])
        return np.nan_to_num(columns.data[key][rows].astype(float), nan=0.0)

    def places(self, rows: Iterable[int]) -> np.ndarray:
        """(n,) positions in the table of the listed rows."""
        rows = np.asarray(list(rows), np.int64)
        places = self._places[rows[rows < len(self._places)]]
        return places[places >= 0]

    def place(self, id: int | None) -> int | None:
        """Position of a cell in the table; None if it is not listed."""
        row = None if self.columns is None else self.columns.row(id)
        places = self.places([] if row is None else [row])
        return int(places[0]) if len(places) else None

    def places_of(self, ids: Iterable[int]) -> np.ndarray:
        """(k,) int64, positions of those cells that are listed, in the order of the ids."""
        return np.array([place for place in map(self.place, ids) if place is not None], np.int64)

    def ids_at(self, places: Iterable[int]) -> list[int]:
        """The cells at positions of the table."""
        return list(map(self.id, places))

    def id(self, place: int) -> int:
        """The cell at a position of the table."""
        return int(self.columns.data["id"][self.rows[place]])

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of cells listed."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """Number of columns."""
        return len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Headings and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section][1]
        return COLUMNS[section][3] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The content of a place in the table; a row freed since the last refresh is empty."""
        key, row = KEYS[index.column()], self.rows[index.row()]
        if self.columns.data["id"][row] == 0:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text_of(row, key)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return None if key in ("status", "category", "source") else _NUMBER
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._colour_of(row, key)
        if role == BAR and key in _BARS:
            return self._bar_of(row, key)
        return None

    def _text_of(self, row: int, key: str) -> str:
        columns, data = self.columns, self.columns.data[row]
        if key == "doubt":
            return f"{self._doubts[row]:.2f}" if self._doubts[row] >= 0 else ""
        if key == "status":
            return STATUSES[data["status"]]
        if key == "category":
            return columns.result.categories.get(int(data["category"]), str(data["category"]))
        if key == "source":
            return columns.sources[data["source"]]
        if key == "plane":
            return ", ".join(map(str, columns.plane(row)))
        if key == "overlap":
            return "" if np.isnan(data["overlap"]) else f"{data['overlap']:.0%}"
        return f"{data[key]:.2f}" if key in ("score", "mask_quality") else f"{data[key]:,}"

    def _colour_of(self, row: int, key: str) -> QColor | None:
        data = self.columns.data[row]
        if key == "status":
            return QColor(_STATUS_COLOURS[STATUSES[data["status"]]])
        if data["status"] == REJECTED:
            return _DIM
        colours = self.columns.result.colours
        return QColor.fromRgbF(*category_colour(int(data["category"]), colours)) if key == "category" else None

    def _bar_of(self, row: int, key: str) -> tuple[float, QColor] | None:
        """Length and colour of a bar; red values deserve a look."""
        value = float(self._doubts[row] if key == "doubt" else self.columns.data[key][row])
        if not value >= 0:
            return None
        return value, QColor.fromRgbF(*score_colour(1 - value if key in ("doubt", "overlap") else value))


def _ranks(names: dict[int, Any], numbers: np.ndarray) -> np.ndarray:
    """The rank of each number's name among all names."""
    ordered = {k: rank for rank, k in enumerate(sorted(names, key=lambda k: names[k]))}
    largest = max([*names, *numbers.tolist(), 0])
    ranks = np.full(largest + 1, len(ordered), float)
    for k, rank in ordered.items():
        ranks[k] = rank
    return ranks[numbers]
