"""The part of the CenterMask dock that shows the result of the chosen image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_centermask.core.predictions import has_predictions
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.segment.cells_box import CellsBox

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.work.connections import Connections


class ResultPart:
    """Connects the box of cells with the result of an image.

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
        shown.layers.set_colours(self.box.colours.currentData())
        shown.layers.outlines.visible = self.box.outlines.isChecked()
        self._session.set_hatch(source, self.box.hatch.isChecked())
