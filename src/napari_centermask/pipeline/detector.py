"""The protocol by which the pipeline finds cells with any family of networks."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.tiles import Piece, Tile
from napari_centermask.engines import AnyEngine
from napari_centermask.models.families import family_of
from napari_centermask.pipeline.cell_sizes import CellSizes
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.settings import SegmentSettings


class PromptTile(Protocol):
    """The network's output for a window of the image at one scale; kept so that further prompts nearby are fast."""

    def fill(self, box: np.ndarray) -> Instance | None:
        """The cell that fills a box (x0, y0, x1, y1 in image pixels)."""

    def at(self, y: float, x: float) -> Instance | None:
        """The cell at a pixel of the image."""


class Detector(Protocol):
    """One class for each family, named in `models.families`; it takes an engine and settings.

    Windows are (y0, x0, y1, x1) in network pixels of the scaled image.
    """

    def pieces(self, scaled: ScaledInput, tile: Tile, score: float) -> list[Piece]:
        """The cells that a tile owns, from a score on."""

    def sizes(self, scaled: ScaledInput, window: Box, *, by_masks: bool) -> CellSizes:
        """Sizes of the most reliable cells in a window; masks are exact but slower than boxes."""

    def prompts(self, scaled: ScaledInput, window: Box) -> PromptTile:
        """The object that answers boxes and clicks in a window."""

    def class_maps(self, scaled: ScaledInput, window: Box) -> np.ndarray:
        """(1 + categories, h, w) float32 of a window, background first; only for families with `has_class_maps`."""


def make_detector(engine: AnyEngine, settings: SegmentSettings) -> Detector:
    """The detector of the engine's family."""
    family = family_of(engine.card)
    detector: Detector = family.load(family.detector)(engine, settings)
    return detector
