"""The score threshold: a slider under a histogram of the candidates' scores."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QSizePolicy, QSlider, QWidget

from .job import FLOOR

_BINS = 40
_KEPT, _LEFT_OUT = QColor("#7bd389"), QColor(128, 128, 128, 110)


class ScoreSlider(QWidget):
    """A threshold in [0.2, 0.99], and how many candidates lie on either side."""

    changed = Signal(float)

    def __init__(self, value: float) -> None:
        super().__init__()
        self._histogram = _Histogram()
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(round(FLOOR * 100), 99)
        self._spin = QDoubleSpinBox()
        self._spin.setRange(FLOOR, 0.99)
        self._spin.setSingleStep(0.01)
        self._spin.setFixedWidth(86)
        self._spin.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(2)
        layout.addWidget(self._histogram, 0, 0)
        layout.addWidget(self._slider, 1, 0)
        layout.addWidget(self._spin, 1, 1)
        layout.setColumnStretch(0, 1)
        self.set_value(value)
        self._slider.valueChanged.connect(lambda v: self._on_changed(v / 100))
        self._spin.valueChanged.connect(self._on_changed)

    def value(self) -> float:
        """The threshold."""
        return round(self._spin.value(), 2)

    def set_value(self, value: float) -> None:
        """Show this threshold, without `changed`."""
        with QSignalBlocker(self._slider), QSignalBlocker(self._spin):
            self._spin.setValue(value)
            self._slider.setValue(round(self._spin.value() * 100))
        self._histogram.set_threshold(self.value())

    def set_scores(self, scores: np.ndarray) -> None:
        """(N,) scores of the candidates to draw."""
        self._histogram.set_scores(scores)

    def setToolTip(self, text: str) -> None:
        """Say the same on all parts."""
        for part in (self._histogram, self._slider, self._spin):
            part.setToolTip(text)

    def _on_changed(self, value: float) -> None:
        self.set_value(value)
        self.changed.emit(self.value())


class _Histogram(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._counts, self._threshold = np.zeros(_BINS), FLOOR
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(160, 34)

    def set_scores(self, scores: np.ndarray) -> None:
        self._counts = np.histogram(scores, bins=_BINS, range=(FLOOR, 1.0))[0]
        self.update()

    def set_threshold(self, threshold: float) -> None:
        self._threshold = threshold
        self.update()

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        margin, base = 5.0, self.height() - 1.0  # half the slider's handle
        step = (self.width() - 2 * margin) / _BINS
        heights = np.sqrt(self._counts / max(self._counts.max(), 1)) * (base - 2)
        for i, height in enumerate(heights):
            score = FLOOR + (i + 0.5) * (1 - FLOOR) / _BINS
            painter.setBrush(_KEPT if score >= self._threshold else _LEFT_OUT)
            painter.drawRect(QRectF(margin + i * step, base - max(height, 1.0), max(step - 1, 1.0), max(height, 1.0)))
        painter.end()
