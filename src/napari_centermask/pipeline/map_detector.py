"""The cells of a tile, prompts and class maps by the maps of a U-Net."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_centermask.core.instances import Box
from napari_centermask.core.tiles import Piece, Tile, cut, owned
from napari_centermask.engines import MapEngine
from napari_centermask.pipeline.detector import CellSizes, counting
from napari_centermask.pipeline.map_cells import (
    batch_maps,
    find_regions,
    region_boxes,
    region_sizes,
    tile_maps,
    to_instance,
)
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.pipeline.prompt_maps import MapTile
from napari_centermask.settings import SegmentSettings


class MapDetector:
    """See `Detector`."""

    def __init__(self, engine: MapEngine, settings: SegmentSettings) -> None:
        self._engine, self._settings = engine, settings

    def pieces(self, scaled: ScaledInput, tiles: Sequence[Tile], score: float) -> list[Piece]:
        """Separate the cells of whole tiles by a watershed."""
        boxes = [tile.box for tile in tiles]
        pieces: list[Piece] = []
        for tile, maps in zip(tiles, batch_maps(self._engine, scaled, boxes, flips=self._settings.flips), strict=True):
            pieces += self._pieces(scaled, tile, maps, score)
        return pieces

    def _pieces(self, scaled: ScaledInput, tile: Tile, maps: np.ndarray, score: float) -> list[Piece]:
        cells = [r for r in find_regions(maps, self._engine.card, self._settings) if r.score >= score]
        whole = region_boxes(cells) + np.array([tile.box[1], tile.box[0]] * 2)
        mine, is_cut = owned(whole, tile), cut(whole, tile, scaled.shape)
        pieces = []
        for k in np.flatnonzero(mine):
            cell = to_instance(cells[k], scaled, tile.box, source=self._engine.card.name)
            if cell is not None:
                pieces.append(Piece(cell, scaled.window(tile.box), bool(is_cut[k])))
        return pieces

    def sizes(self, scaled: ScaledInput, window: Box, *, by_masks: bool) -> CellSizes:
        """See `region_sizes`; regions are always masks."""
        cells = find_regions(tile_maps(self._engine, scaled, window, flips=False), self._engine.card, self._settings)
        sizes, is_cut = region_sizes(cells, (window[2] - window[0], window[3] - window[1]))
        kept = counting(is_cut, window, scaled)
        return sizes[0][kept], sizes[1][kept], sizes[2][kept], sizes[3][kept]

    def prompts(self, scaled: ScaledInput, window: Box) -> MapTile:
        """The foreground fills boxes."""
        return MapTile(self._engine, self._settings, scaled, window)

    def class_maps(self, scaled: ScaledInput, window: Box) -> np.ndarray:
        """The maps of the classes."""
        maps = tile_maps(self._engine, scaled, window, flips=self._settings.flips)
        return maps[: 1 + len(self._engine.card.model.categories)]
