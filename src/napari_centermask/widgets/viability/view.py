"""The parts of the viability dock; they show its state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QComboBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.core.viability import CellProbabilities
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.parts.layout import label, row
from napari_centermask.widgets.parts.pickers import hint, show_control
from napari_centermask.widgets.parts.score import ScoreSlider
from napari_centermask.widgets.viability.controls import Controls
from napari_centermask.widgets.viability.layer import AS_BEFORE, BY_CATEGORY, BY_PROBABILITY

_COLOURS = (
    ("Category", BY_CATEGORY, "Cells have the colour of the category that the threshold gives them."),
    ("Probability", BY_PROBABILITY, "From the colour of one category through white to that of the other."),
    ("As before", AS_BEFORE, "The colours of the Segment dock; they follow when you let go of the slider."),
)
_FIGURES = (".png", ".jpg", ".jpeg")


class ThresholdBox(QWidget):
    """The dead category, its threshold, and the meaning of the colours."""

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.category, self.colours = QComboBox(), QComboBox()
        self.category.setPlaceholderText("choose…")
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
            self.category.setCurrentIndex(self.category.findData(chosen))

    def show_cells(self, cells: CellProbabilities, colours: Mapping[int, str]) -> None:
        """Draw the histogram of probabilities in the colours of the category and of the most frequent other one."""
        follow = cells.free & cells.columns.shown()
        other = int(np.bincount(cells.other[follow]).argmax())
        above, below = (QColor.fromRgbF(*map(float, category_colour(c, colours))) for c in (cells.category, other))
        self.slider.set_colours(above, below)
        self.slider.set_scores(cells.probability[follow])

    def show_controls(self, controls: Controls) -> None:
        """Update the note and the buttons."""
        self.note.setText(controls.note)
        self.everywhere.setVisible(controls.shows_project)
        show_control(self.everywhere, controls.everywhere)
        for widget, shown in (
            (self.slider, controls.threshold),
            (self.category, controls.category),
            (self.colours, controls.colours),
        ):
            hint(widget, shown.tooltip, enabled=shown.enabled)

    @property
    def mode(self) -> str:
        """The meaning of the colours: "category", "probability" or "before"."""
        return self.colours.currentData()


class FiguresBox(QWidget):
    """The figures of an evaluation, one at a time as wide as the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.names = QPushButton("Open…"), QComboBox()
        self.open.setToolTip("Choose a folder of figures written by `napari-centermask viability`.")
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
        """Offer the pictures in a folder and its subfolders; returns how many there are."""
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _FIGURES)
        with QSignalBlocker(self.names):
            self.names.clear()
            for path in paths:
                self.names.addItem(str(path.relative_to(folder).with_suffix("")), path)
        self.names.setVisible(bool(paths))
        if paths:
            self._show_chosen()
        else:
            self._whole = QPixmap()
            self.picture.setText(f"There are no figures (PNG) in {folder}.")
        return len(paths)

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
