"""The part of the Segment dock that shows the result of the chosen image."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QPushButton, QWidget

from napari_centermask.core.counted import counted
from napari_centermask.core.predictions import has_predictions
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.parts.layout import label, row, titled_form
from napari_centermask.widgets.parts.pickers import hint, show_control
from napari_centermask.widgets.parts.score import ScoreSlider
from napari_centermask.widgets.segment.controls import Controls

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.widgets.viewer.layers import ResultLayers
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.work.connections import Connections


class CellsBox(QWidget):
    """The result: threshold, counts, and how it is shown."""

    def __init__(self, score: float) -> None:
        super().__init__()
        self.score = ScoreSlider(score)
        self.score.setToolTip("Show cells with at least this score. You need not run again.")
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.colours = QComboBox()
        for key, text in (
            ("cell", "by cell"),
            ("category", "by category"),
            ("score", "by score"),
            ("track", "by track"),
        ):
            self.colours.addItem(text, key)
        self.outlines = QCheckBox("Outlines")
        self.outlines.setChecked(True)
        self.own_outlines = QCheckBox("Outlines in the cells' colours")
        self.hatch = QCheckBox("Hatch overlaps")
        self.hatch.setChecked(True)
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        form = titled_form(self, "Cells")
        form.addRow(label("Score"), self.score)
        form.addRow(self.count)
        form.addRow(label("Colours"), self.colours)
        form.addRow(self.legend)
        self.clear = QPushButton("Clear predictions")
        form.addRow(row(self.outlines, self.hatch, stretch=1))
        form.addRow(self.own_outlines)
        form.addRow(self.clear)
        self.form = form
        self.show_none()

    def show_none(self) -> None:
        """There is no result."""
        self.score.set_scores(np.zeros(0))
        self.count.setText("Run to see the cells.")
        self.legend.hide()

    def show_counts(self, n: int, n_candidates: int, scores: np.ndarray) -> None:
        """Show how many of the candidates are visible."""
        self.count.setText(f"<b>{n:,}</b> shown of {counted(n_candidates, 'candidate')}")
        self.score.set_scores(scores)

    def show_controls(self, controls: Controls) -> None:
        """Enable the controls; the tooltips of disabled ones say why."""
        hint(self.colours, controls.colours.tooltip, enabled=controls.colours.enabled)
        show_control(self.outlines, controls.outlines)
        show_control(self.own_outlines, controls.own_outlines)
        show_control(self.hatch, controls.hatch)
        show_control(self.clear, controls.clear)

    def show_look(self, layers: ResultLayers, *, legend: dict[int, str]) -> None:
        """Show how the result is drawn."""
        boxes = self.colours, self.hatch, self.outlines, self.own_outlines
        with ExitStack() as silent:
            for box in boxes:
                silent.enter_context(QSignalBlocker(box))
            self.own_outlines.setChecked(layers.own_outlines)
            self.colours.setCurrentIndex(self.colours.findData(layers.mode))
            self.hatch.setChecked(layers.hatch)
            self.outlines.setChecked(layers.outlines.visible)
        self.legend.setText(
            "&nbsp;&nbsp;".join(_legend_entry(c, name, layers.result.colours) for c, name in sorted(legend.items()))
        )
        self.legend.setVisible(len(legend) > 1)


def _legend_entry(category: int, name: str, colours: dict[int, str]) -> str:
    r, g, b = (round(v * 255) for v in category_colour(category, colours)[:3])
    return f'<span style="color: rgb({r},{g},{b})">●</span> {name}'


class ResultPart:
    """Connects the box with the result of an image.

    Parameters
    ----------
    links
        Connections of the dock.
    """

    def __init__(self, session: Session, links: Connections) -> None:
        self._session = session
        self._source: Image | None = None
        self.box = box = CellsBox(SegmentSettings.model_fields["score"].default)
        links.add(box.score.changed, self._on_score_changed)
        links.add(box.colours.currentIndexChanged, self._on_look_changed)
        links.add(box.hatch.toggled, self._on_look_changed)
        links.add(box.outlines.toggled, self._on_look_changed)
        links.add(box.own_outlines.toggled, self._on_look_changed)

    @property
    def has_predictions(self) -> bool:
        """Whether the image has cells from a model, and so a score threshold."""
        result = self._session.result(self._source)
        return result is not None and has_predictions(result)

    def show_image(self, source: Image | None) -> None:
        """Show the result of an image, or that there is none."""
        self._source = source
        shown = self._session.shown(source)
        if shown is None:
            self.box.show_none()
            return
        if self.has_predictions:  # an image of a project has a result before its first run
            self.box.score.set_value(shown.result.threshold)
        self.box.show_counts(shown.result.n_visible(), len(shown.result), shown.result.scores())
        self.box.show_look(shown.layers, legend=shown.result.categories)

    def _on_score_changed(self, score: float) -> None:
        if self._source is not None:
            self._session.set_threshold(self._source, score)

    def _on_look_changed(self) -> None:
        source = self._source
        shown = self._session.shown(source)
        if source is None or shown is None:
            return
        shown.layers.outlines.visible = self.box.outlines.isChecked()
        self._session.set_look(
            source,
            colours=self.box.colours.currentData(),
            own_outlines=self.box.own_outlines.isChecked(),
            hatch=self.box.hatch.isChecked(),
        )
