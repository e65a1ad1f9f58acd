"""One cell on request: inside a box that a person drew, or under a click."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.paste import paste_many
from napari_centermask.engines import Detections, Engine, Features
from napari_centermask.engines.decode import detect, locations
from napari_centermask.pipeline.diameter import estimate_diameter
from napari_centermask.pipeline.source import ALIGN, Scaled, Source
from napari_centermask.pipeline.steps import suited
from napari_centermask.settings import SegmentSettings

_TILE = 512  # network pixels; a third of a second on one core, and a cell drawn next is mostly in it
_STEP = _TILE // 2
_KEPT_TILES = 16  # about 3 MB each
_SUITED = 0.4, 3.5  # sides of a box, in the model's diameters, that need no other scale
_SCORE = 0.05  # a click says that there is a cell, so weak candidates count
_TRIED = 8  # candidates under a click whose masks are made

Place = tuple[int, int, int]  # octave of the scale, y0, x0 of the tile


@dataclass(frozen=True)
class _Tile:
    """What the network said about a window (network pixels) of the image at one scale."""

    scaled: Scaled
    window: Box
    features: Features
    found: Detections


class Prompter:
    """Answers boxes and clicks on one image plane; to be used by one thread at a time.

    The dense network runs once for the tile around a prompt. Its features are kept, so that the next prompt near by costs
    the mask head alone.

    Parameters
    ----------
    image
        (C, H, W) or (H, W) array-like.
    settings
        As for `segment`; without a diameter it is estimated at the first prompt.

    Raises
    ------
    BadImage, BadSettings
        At the first prompt; as `segment`.
    """

    def __init__(self, engine: Engine, image: Any, settings: SegmentSettings | None = None) -> None:
        self.engine, self._image = engine, image
        self.settings = suited(settings or SegmentSettings(), engine.card)
        self._tiles: OrderedDict[Place, _Tile] = OrderedDict()
        self._scales: dict[int, Scaled] = {}

    def box(self, y0: float, x0: float, y1: float, x1: float) -> Instance | None:
        """The cell that fills a box (image pixels, edges); None if the box holds none.

        Returns
        -------
        Instance or None
            Id 0, accepted, score 1 as a person drew the box, with the model's mask quality and category.
        """
        height, width = self._source.shape
        y0, y1 = np.clip(sorted((y0, y1)), 0, height)
        x0, x1 = np.clip(sorted((x0, x1)), 0, width)
        if min(y1 - y0, x1 - x0) < 1 or self._source.is_blank:
            return None
        drawn = np.array([[x0, y0, x1, y1]])
        octave = self._octave(max(y1 - y0, x1 - x0))
        tile = self._tile((y0 + y1) / 2, (x0 + x1) / 2, octave)
        boxes = _to_tile(drawn, tile)
        votes = _votes_in(boxes[0], tile.features, self.engine.card)
        kinds = votes.argmax(axis=1)
        return self._masks(tile, Detections(boxes, np.ones(1), kinds, votes if votes.shape[1] > 1 else votes[:, :0]))[0]

    def click(self, y: float, x: float) -> Instance | None:
        """The cell at a pixel (centres are whole numbers); None if the model sees none there.

        Of several, the one in whose middle the click lies wins.

        Returns
        -------
        Instance or None
            As of `box`.
        """
        height, width = self._source.shape
        if not (-0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5) or self._source.is_blank:
            return None
        tile = self._tile(y, x, 0)
        point = _to_tile(np.array([[x, y, x, y]]) + 0.5, tile)[0, :2]
        found, likely = self._under(tile, point)
        cells = self._masks(tile, found)
        pairs = [(p * c.mask_quality, c) for p, c in zip(likely, cells, strict=True) if c and _covers(c, y, x)]
        return max(pairs, key=lambda pair: pair[0])[1] if pairs else None

    def prepare(self, y: float, x: float) -> None:
        """Compute the features around a pixel, so that the next prompt there is answered at once."""
        if not self._source.is_blank:
            self._tile(y, x, 0)

    @cached_property
    def _source(self) -> Source:
        return Source.open(self._image, self.engine.card, self.settings)

    @cached_property
    def diameter(self) -> float:
        """Typical cell diameter in image pixels: the settings', or estimated."""
        return self.settings.diameter or estimate_diameter(self._image, self.engine, self.settings)

    def _octave(self, side: float) -> int:
        """How often to double the image's scale for a box of a side; halved if negative."""
        part = side / self.diameter
        if _SUITED[0] <= part <= _SUITED[1]:
            return 0
        return -round(float(np.log2(part)))

    def _scaled(self, octave: int) -> Scaled:
        if octave not in self._scales:
            base = self.engine.card.diameter / self.diameter
            try:
                self._scales[octave] = self._source.scaled(base * 2.0**octave)
            except BadSettings:  # a box of a few pixels: enlarged less than would be best
                self._scales[octave] = self._source.scaled(base)
        return self._scales[octave]

    def _tile(self, y: float, x: float, octave: int) -> _Tile:
        """The tile around a pixel."""
        scaled = self._scaled(octave)
        (fy, fx), (height, width) = scaled.factors, scaled.shape
        top, left = _start(y * fy, height), _start(x * fx, width)
        place = octave, top, left
        if place not in self._tiles:
            window = top, left, min(top + _TILE, height), min(left + _TILE, width)
            features = self.engine.features(scaled.read(window))
            found = detect(features, self.engine.card, score=_SCORE, nms=self.settings.nms, across=True)
            self._tiles[place] = _Tile(scaled, window, features, found)
        self._tiles.move_to_end(place)
        while len(self._tiles) > _KEPT_TILES:
            self._tiles.popitem(last=False)
        return self._tiles[place]

    def _under(self, tile: _Tile, point: np.ndarray) -> tuple[Detections, np.ndarray]:
        """The candidates around a point (x, y) of the tile, and how likely each is meant."""
        found = tile.found
        likely = found.scores * _centred(found.boxes, point)
        if not (likely > 0).any():
            found = detect(tile.features, self.engine.card, score=_SCORE / 10, nms=1)
            likely = found.scores * _centred(found.boxes, point)
        best = np.argsort(-likely, kind="stable")[:_TRIED]
        best = best[likely[best] > 0]
        return found[best], likely[best]

    def _masks(self, tile: _Tile, found: Detections) -> list[Instance | None]:
        """The cells in boxes of a tile; None where the mask is empty."""
        if not len(found.boxes):
            return []
        masks, quality = self.engine.masks(tile.features, found.boxes.astype(np.float32), found.classes)
        whole = tile.scaled.to_image(found.boxes + np.array([tile.window[1], tile.window[0]] * 2))
        crops = paste_many(masks, whole, self._source.shape)
        return [
            Instance(
                0,
                *crop,
                category=int(found.classes[k]) + 1,
                mask_quality=float(np.clip(quality[k], 0, 1)),
                status="accepted",
                source=self.engine.card.name,
                probabilities=tuple(found.probabilities[k].tolist()),
            )
            if crop
            else None
            for k, crop in enumerate(crops)
        ]


def _start(centre: float, length: int) -> int:
    """Where a tile begins that has `centre` in its middle half, on a grid, inside the image where that is larger."""
    last = max(0, -(-(length - _TILE) // ALIGN) * ALIGN)
    return int(np.clip(round((centre - _TILE / 2) / _STEP) * _STEP, 0, last))


def _to_tile(boxes: np.ndarray, tile: _Tile) -> np.ndarray:
    """(N, 4) x0, y0, x1, y1 from image pixels to pixels of the tile."""
    fy, fx = tile.scaled.factors
    return boxes * np.array([fx, fy, fx, fy]) - np.array([tile.window[1], tile.window[0]] * 2)


def _centred(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(N,) centerness (arXiv 1904.01355, equation 3) of a point in boxes; 0 outside."""
    near, far = point - boxes[:, :2], boxes[:, 2:] - point
    low, high = np.minimum(near, far), np.maximum(near, far)
    parts = np.divide(low, high, out=np.zeros_like(low), where=high > 0)
    return np.where((low > 0).all(axis=1), np.sqrt(np.maximum(parts, 0).prod(axis=1)), 0.0)


def _votes_in(box: np.ndarray, features: Features, card: Any) -> np.ndarray:
    """(1, categories) how the locations in the middle of a box vote; sums to 1."""
    n = features.logits.shape[2]
    if n == 1:
        return np.ones((1, 1))
    centres, _ = locations(features.tile_shape, tuple(card.strides))
    weight = _centred(np.broadcast_to(box, (len(centres), 4)), centres)
    with np.errstate(over="ignore"):
        votes = weight[:, None] / (1 + np.exp(-features.logits[0]))
    total = votes.sum(axis=0, keepdims=True)
    return total / total.sum() if total.sum() > 0 else np.full((1, n), 1 / n)


def _covers(cell: Instance, y: float, x: float) -> bool:
    row, column = round(y) - cell.y0, round(x) - cell.x0
    return 0 <= row < cell.mask.shape[0] and 0 <= column < cell.mask.shape[1] and bool(cell.mask[row, column])
