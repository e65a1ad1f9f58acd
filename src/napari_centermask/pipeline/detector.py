"""The protocol by which the pipeline finds cells with any family of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.tiles import Piece, Tile
from napari_centermask.engines import AnyEngine
from napari_centermask.models.families import family_of
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.settings import SegmentSettings

FEW = 3
"""Fewer cells than this say nothing about the others. A choice: the least of which the median is not an end."""

CellSizes = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(N,) diameters in network pixels, (N,) scores, (N, 2) middles (x, y) in the window's pixels, (N,) indices of the categories."""


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

    def pieces(self, scaled: ScaledInput, tiles: Sequence[Tile], score: float) -> list[Piece]:
        """The cells that tiles own, from a score on; the tiles go through the network at once, and are padded to one size."""

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


def counting(is_cut: np.ndarray, window: Box, scaled: ScaledInput) -> np.ndarray:
    """(N,) bool, which cells to measure: not those that the window's edge cuts.

    If the window is the whole image, these count too if the others are few, as cells of such images are often cut.
    """
    is_whole = tuple(window) == (0, 0, *scaled.shape)
    return np.ones_like(is_cut) if is_whole and np.count_nonzero(~is_cut) < FEW else ~is_cut
