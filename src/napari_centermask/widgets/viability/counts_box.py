"""Cells of each category in an image and its frames: in a sentence, a plot and a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QTabWidget, QVBoxLayout, QWidget

from napari_centermask.core.counted import counted_category
from napari_centermask.widgets.viability.counts_table import CountsTable, percent
from napari_centermask.widgets.viability.plot import ViabilityPlot
from napari_centermask.widgets.viewer.measured import axis_names

if TYPE_CHECKING:
    from napari_centermask.core.result import Index
    from napari_centermask.core.viability import Counts
    from napari_centermask.widgets.viability.threshold import Viability


class SummaryBox(QWidget):
    """Counts and viability of the image and of the current frame."""

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
        """Show how many cells there are.

        Parameters
        ----------
        frame
            Name of the current frame and its (K,) cells; None if the image has only one.
        """
        self.image.setText("No cells yet." if counts is None else _sentence("Image", counts, counts.total, names))
        self.frame.setVisible(frame is not None)
        if counts is not None and frame is not None:
            self.frame.setText(_sentence(frame[0], counts, frame[1], names))


def _sentence(what: str, counts: Counts, numbers: np.ndarray, names: Mapping[int, str]) -> str:
    kinds = ", ".join(
        counted_category(int(n), names.get(c, str(c)))
        for c, n, total in zip(counts.categories, numbers, counts.total, strict=True)
        if total or counts.dead is not None and (c == counts.dead or len(counts.categories) <= 2)
    )
    text = f"{what}: {kinds or 'no cells'}."
    return text if counts.dead is None else f"{text} Viability <b>{percent(counts.viability(numbers))}</b>"


class CountsBox(QWidget):
    """The counts of an image; plot and table are only shown for stacks.

    Attributes
    ----------
    picked
        Emitted with the index of the plane whose frame was clicked in the plot or the table.
    tabs
        Plot and table; the dock adds its own.
    """

    picked = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self._viability: Viability | None = None
        self.summary, self.axis, self.tabs = SummaryBox(), QComboBox(), QTabWidget()
        self.axis.setToolTip("The axis of the plot and of the table of frames; cells are added up over the other axes.")
        self.plot = ViabilityPlot()
        self.frames = CountsTable("No cells yet. Run a model with categories, or classify the cells above.")
        self.tabs.addTab(self.plot, "Plot")
        self.tabs.addTab(self.frames, "Frames")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.summary)
        layout.addWidget(self.axis)
        layout.addWidget(self.tabs, 1)
        self.axis.activated.connect(lambda _: self.show_counts())
        self.plot.picked.connect(self._on_picked)
        self.frames.picked.connect(self._on_picked)

    def set_image(self, viability: Viability | None) -> None:
        """Show another image, and offer its axes, time first."""
        self._viability = viability
        self.axis.clear()
        if viability is None:
            return
        planes = viability.edits.planes
        names = axis_names(viability.edits.source, planes.axes)
        for k, (name, n) in enumerate(zip(names, planes.leading, strict=True)):
            self.axis.addItem(f"Along {name} ({n})", (k, name))
        time = next((k for k, name in enumerate(names) if name.lower() in ("t", "time")), 0)
        self.axis.setCurrentIndex(time if names else -1)

    def show_counts(self) -> None:
        """Show the counts with the present threshold."""
        viability = self._viability
        is_stack = viability is not None and bool(viability.edits.result.leading)
        self.axis.setVisible(is_stack)
        for box in (self.plot, self.frames):
            self.tabs.setTabVisible(self.tabs.indexOf(box), is_stack)
        if viability is None:
            self.summary.show_counts(None, {}, None)
            return
        counts, names = viability.counts(), viability.edits.result.categories
        here = viability.edits.current_plane
        frame = ", ".join(f"{self.axis.itemData(k)[1]} {i}" for k, i in enumerate(here))
        self.summary.show_counts(counts, names, (frame, counts.of(here)) if is_stack else None)
        if is_stack:
            self._show_frames(counts, names, here)

    def _show_frames(self, counts: Counts, names: dict[int, str], here: Index) -> None:
        k, name = self.axis.currentData()
        numbers = counts.along(k)
        viability = counts.viability(numbers)
        kinds = [names.get(c, str(c)) for c in counts.categories]
        self.frames.counts.show_counts(name, [str(i) for i in range(len(numbers))], kinds, numbers, viability)
        self.plot.show_viability(viability, here[k], along=name)

    def _on_picked(self, number: int) -> None:
        if self._viability is not None:
            plane = list(self._viability.edits.current_plane)
            plane[self.axis.currentData()[0]] = number
            self.picked.emit(tuple(plane))
