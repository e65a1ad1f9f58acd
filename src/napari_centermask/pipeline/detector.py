"""How a family of networks finds cells: what the pipeline asks, whoever answers."""

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
    """What the network said about a window of the image at one scale; kept, so that prompts near by cost little."""

    def fill(self, box: np.ndarray) -> Instance | None:
        """The cell that fills a box (x0, y0, x1, y1 in image pixels)."""

    def at(self, y: float, x: float) -> Instance | None:
        """The cell at a pixel of the image."""


class Detector(Protocol):
    """One for each family; `models.families` names the class, which takes an engine and settings.

    Windows are (y0, x0, y1, x1) in network pixels of the scaled image.
    """

    def pieces(self, scaled: ScaledInput, tile: Tile, score: float) -> list[Piece]:
        """The cells from a score on that a tile owns."""

    def sizes(self, scaled: ScaledInput, window: Box, *, by_masks: bool) -> CellSizes:
        """The cells in a window that say best how large cells are; masks are exact and cost more than boxes."""

    def prompts(self, scaled: ScaledInput, window: Box) -> PromptTile:
        """What answers boxes and clicks in a window."""

    def class_maps(self, scaled: ScaledInput, window: Box) -> np.ndarray:
        """(1 + categories, h, w) float32 of a window, background first; of families with `has_class_maps` alone."""


def make_detector(engine: AnyEngine, settings: SegmentSettings) -> Detector:
    """The detector of the engine's family."""
    family = family_of(engine.card)
    detector: Detector = family.load(family.detector)(engine, settings)
    return detector
