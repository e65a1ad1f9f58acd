"""Whether the chosen model suits the image in view, and which other one does, by a look at the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_centermask.core.misfit import other_model
from napari_centermask.pipeline.suitability import proposed, suited, unsuited
from napari_centermask.widgets.segment.look import ImageLooks

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.widgets.parts.pickers import ModelCombo


class Suitability:
    """Compares the model of a dock with its image.

    Attributes
    ----------
    looks
        The kinds of the images.
    """

    def __init__(self, models: ModelCombo) -> None:
        self._models = models
        self.looks = ImageLooks()
        self._put_away = set[tuple[str, str | None]]()  # models, and the kinds of images for which they are used anyway

    def fit(self, source: Image | None) -> str:
        """That the model was trained on such images, in a sentence; empty if nobody knows."""
        card = self._models.card
        return "" if card is None else suited(card, self.looks.kind(source))

    def doubt(self, source: Image | None) -> str:
        """That the model was trained on other kinds of images; empty if it was not, or that was put away."""
        card, kind = self._models.card, self.looks.kind(source)
        return "" if card is None or (card.name, kind) in self._put_away else unsuited(card, kind)

    def other_model(self, source: Image | None) -> str:
        """Another model to try: one that was trained on such images, or that finds other cells; empty if there is none."""
        card, kind = self._models.card, self.looks.kind(source)
        if card is None:
            return ""
        known = proposed(card, kind, self._models.cards)
        return known or ("" if unsuited(card, kind) else other_model(card.name, self._models.categories))

    def put_away(self, source: Image | None) -> None:
        """Do not doubt the model on such images any more."""
        self._put_away.add((self._models.currentText(), self.looks.kind(source)))
