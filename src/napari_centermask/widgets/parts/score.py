"""A threshold: a slider under a histogram of the scores."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QSizePolicy, QSlider, QWidget

from napari_centermask.settings import LOWEST_SCORE

_BINS = 40  # of the histogram: a choice, some pixels each
_KEPT, _LEFT_OUT = QColor("#7bd389"), QColor(128, 128, 128, 110)


class ScoreSlider(QWidget):
    """A threshold, and how many candidates are on either side.

    Attributes
    ----------
    changed
        Emitted with the threshold as it moves.
    released
        Emitted when the slider is released.

    Parameters
    ----------
    value
        The initial threshold.
    low, high
        Its limits.
    """

    changed = Signal(float)
    released = Signal()

    def __init__(self, value: float, *, low: float = LOWEST_SCORE, high: float = 0.99) -> None:
        super().__init__()
        self._histogram = _Histogram(low)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(round(low * 100), round(high * 100))
        self._spin = QDoubleSpinBox()
        self._spin.setRange(low, high)
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
        self._slider.sliderReleased.connect(self.released.emit)

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

    def set_colours(self, above: QColor, below: QColor) -> None:
        """Colours of the histogram on the two sides of the threshold."""
        self._histogram.set_colours(above, below)

    @property
    def is_dragged(self) -> bool:
        """Whether the slider is being dragged."""
        return self._slider.isSliderDown()

    def setToolTip(self, text: str) -> None:
        """Set the same tooltip on all parts."""
        for part in (self._histogram, self._slider, self._spin):
            part.setToolTip(text)

    def _on_changed(self, value: float) -> None:
        self.set_value(value)
        self.changed.emit(self.value())


class _Histogram(QWidget):
    def __init__(self, low: float) -> None:
        super().__init__()
        self._counts, self._low, self._threshold = np.zeros(_BINS), low, low
        self._colours = _KEPT, _LEFT_OUT
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(160, 34)

    def set_scores(self, scores: np.ndarray) -> None:
        self._counts = np.histogram(scores, bins=_BINS, range=(self._low, 1.0))[0]
        self.update()

    def set_colours(self, above: QColor, below: QColor) -> None:
        self._colours = above, below
        self.update()

    def set_threshold(self, threshold: float) -> None:
        self._threshold = threshold
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        margin, base = 5.0, self.height() - 1.0  # half the slider's handle
        step = (self.width() - 2 * margin) / _BINS
        heights = np.sqrt(self._counts / max(self._counts.max(), 1)) * (base - 2)
        for i, height in enumerate(heights):
            score = self._low + (i + 0.5) * (1 - self._low) / _BINS
            painter.setBrush(self._colours[0 if score >= self._threshold else 1])
            painter.drawRect(QRectF(margin + i * step, base - max(height, 1.0), max(step - 1, 1.0), max(height, 1.0)))
        painter.end()
