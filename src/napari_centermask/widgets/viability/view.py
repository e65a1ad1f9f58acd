"""The parts of the viability dock; they know how they look, and decide nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QComboBox,
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.core.viability import Counts
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.parts.layout import label, row
from napari_centermask.widgets.parts.score import ScoreSlider
from napari_centermask.widgets.viability.layer import BY_CATEGORY, BY_PROBABILITY

AS_BEFORE = "before"
_COLOURS = (
    ("Category", BY_CATEGORY, "Cells have the colour of the category that the threshold gives them."),
    ("Probability", BY_PROBABILITY, "Cells go from the colour of one category over white to that of the other."),
    ("As before", AS_BEFORE, "The colours of the CenterMask dock; they follow when the slider is let go."),
)
_FIGURES = (".png", ".jpg", ".jpeg")


class ThresholdBox(QWidget):
    """Which category is dead, from which probability on, and what colours mean."""

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.category, self.colours = QComboBox(), QComboBox()
        self.category.setToolTip("The category that the threshold is for: cells that are not viable.")
        for text, mode, tip in _COLOURS:
            self.colours.addItem(text, mode)
            self.colours.setItemData(self.colours.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.slider = ScoreSlider(0.5, low=0.0, high=1.0)
        self.note = QLabel()
        self.note.setObjectName("quiet")
        self.note.setWordWrap(True)
        self.everywhere = QPushButton("Use for all images of the project")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(row(label("Dead is"), self.category, stretch=1))
        layout.addWidget(row(label("From"), self.slider, stretch=1))
        layout.addWidget(row(label("Colours"), self.colours, stretch=1))
        layout.addWidget(self.note)
        layout.addWidget(self.everywhere)
        self.category.activated.connect(lambda _: self.picked.emit(self.category.currentData()))

    def show_categories(self, categories: Mapping[int, str], chosen: int | None) -> None:
        """Offer these categories, without `picked`."""
        with QSignalBlocker(self.category):
            self.category.clear()
            for id, name in sorted(categories.items()):
                self.category.addItem(name, id)
            self.category.setCurrentIndex(max(self.category.findData(chosen), 0))

    def show_probabilities(self, values: np.ndarray, colours: Mapping[int, str], dead: int, other: int) -> None:
        """Draw the histogram of (N,) probabilities in the colours of the categories."""
        above, below = (QColor.fromRgbF(*map(float, category_colour(c, colours))) for c in (dead, other))
        self.slider.set_colours(above, below)
        self.slider.set_scores(values)

    @property
    def mode(self) -> str:
        """What the colours mean."""
        return self.colours.currentData()


class SummaryBox(QWidget):
    """Counts and viability of the image and of the frame in view."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.frame = QLabel(), QLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for text in (self.image, self.frame):
            text.setWordWrap(True)
            layout.addWidget(text)

    def show_counts(
        self, counts: Counts | None, names: Mapping[int, str], frame: tuple[str, np.ndarray] | None
    ) -> None:
        """Say how many cells there are.

        Parameters
        ----------
        frame
            What the frame in view is called, and its (K,) cells; None if there is one only.
        """
        self.image.setText("No cells yet." if counts is None else _sentence("Image", counts, counts.total, names))
        self.frame.setVisible(frame is not None)
        if counts is not None and frame is not None:
            self.frame.setText(_sentence(frame[0], counts, frame[1], names))


def _sentence(what: str, counts: Counts, numbers: np.ndarray, names: Mapping[int, str]) -> str:
    few = len(counts.categories) <= 2
    kinds = ", ".join(
        f"{int(n):,} {names.get(c, str(c))}"
        for c, n, total in zip(counts.categories, numbers, counts.total, strict=True)
        if total or c == counts.dead or few
    )
    return f"{what}: {kinds}. Viability <b>{percent(counts.viability(numbers))}</b>"


def percent(value: Any) -> str:
    """ "79.4 %", or a dash where there is nothing to divide by."""
    return f"{float(value):.1f} %" if np.isfinite(value) else "–"


class CountsTable(QTableView):
    """A line for each frame or image: its cells by category, and its viability.

    Attributes
    ----------
    picked
        Emitted with the number of a line that was clicked.
    """

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.counts = CountsModel()
        self.setModel(self.counts)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.clicked.connect(lambda index: self.picked.emit(index.row()))


class CountsModel(QAbstractTableModel):
    """The lines of `CountsTable`, made where they are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self._heading: tuple[str, ...] = ()
        self._lines: Sequence[str] = ()
        self.numbers, self.viability = np.zeros((0, 0), int), np.zeros(0)

    def show_counts(
        self, heading: str, lines: Sequence[str], kinds: Sequence[str], numbers: np.ndarray, viability
    ) -> None:
        """Show (n, K) cells and (n,) percent of lines with these names."""
        titles = (heading, *kinds, "Viability")
        if titles == self._heading and list(lines) == list(self._lines):
            self.numbers, self.viability = numbers, viability
            if len(lines):
                self.dataChanged.emit(self.index(0, 1), self.index(len(lines) - 1, len(titles) - 1))
            return
        self.beginResetModel()
        self._heading, self._lines, self.numbers, self.viability = titles, lines, numbers, viability
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Lines."""
        return 0 if parent is not None and parent.isValid() else len(self._lines)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Name, categories, viability."""
        return 0 if parent is not None and parent.isValid() else len(self._heading)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Titles of the columns."""
        wanted = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return self._heading[section] if wanted and section < len(self._heading) else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts; numbers stand to the right."""
        line, column = index.row(), index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole and column:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if column == 0:
            return self._lines[line]
        if column <= self.numbers.shape[1]:
            return f"{int(self.numbers[line, column - 1]):,}"
        return percent(self.viability[line])


class FiguresBox(QWidget):
    """The figures of an evaluation, one at a time as wide as the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.names = QPushButton("Open…"), QComboBox()
        self.open.setToolTip("Choose the folder that `napari-centermask viability` wrote its figures to.")
        self.picture = QLabel("Figures of an evaluation: ROC, precision and recall, confusion, calibration.")
        self.picture.setWordWrap(True)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self.picture.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.names.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.names.hide()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.picture)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(row(self.names, self.open))
        layout.addWidget(scroll, 1)
        self._whole = QPixmap()
        self.names.currentIndexChanged.connect(lambda _: self._show_chosen())

    def show_folder(self, folder: Path) -> int:
        """Offer the pictures of a folder and of those in it; returns how many there are."""
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _FIGURES)
        with QSignalBlocker(self.names):
            self.names.clear()
            for path in found:
                self.names.addItem(str(path.relative_to(folder).with_suffix("")), path)
        self.names.setVisible(bool(found))
        if found:
            self._show_chosen()
        else:
            self._whole = QPixmap()
            self.picture.setText(f"There are no figures (PNG) in {folder}.")
        return len(found)

    def _show_chosen(self) -> None:
        self._whole = QPixmap(str(self.names.currentData()))
        self._fit()

    def _fit(self) -> None:
        if not self._whole.isNull():
            width = max(120, self.picture.width())
            self.picture.setPixmap(self._whole.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the picture to the new width."""
        super().resizeEvent(event)
        self._fit()


class ExportButton(QPushButton):
    """Measurements of this image, or of all of the project."""

    wanted = Signal(bool)

    def __init__(self) -> None:
        super().__init__("Measure and save…")
        menu = QMenu(self)
        self.this = menu.addAction("This image…")
        self.all = menu.addAction("All images of the project…")
        self.this.triggered.connect(lambda: self.wanted.emit(False))
        self.all.triggered.connect(lambda: self.wanted.emit(True))
        self.setMenu(menu)
