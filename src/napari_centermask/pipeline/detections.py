"""The cells of a tile by the boxes and masks of a CenterMask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.paste import paste_many
from napari_centermask.core.probabilities import tempered
from napari_centermask.core.tiles import Piece, Tile, cut, owned
from napari_centermask.engines import Detections, Engine, Features
from napari_centermask.engines.decode import detect
from napari_centermask.engines.mirrored import MirroredEngine
from napari_centermask.engines.suppress import SoftNms
from napari_centermask.pipeline.detector import FEW, CellSizes, counting
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.pipeline.prompt_detections import DetectedTile
from napari_centermask.settings import SegmentSettings

# Cells per call of the mask heads: 256 are no faster (scripts/benchmarks/limits.py) and, with wider overlaps of tiles, took
# 290 MB more (docs/benchmarks.md, "Large images").
_HEAD_BATCH = 64
_CONFIDENT = 0.5  # score; a choice: more likely a cell than not
# Cells whose masks are measured: the median of 40 lies 1.6 % off that of all, below 6 % in 95 of 100 draws; of 80, 0.9 % and 3 %
# (scripts/benchmarks/limits.py).
_MEASURED = 40
CANDIDATES = 10 * _MEASURED
"""Boxes to choose them from: a choice, as most are cut or less confident."""
SIZES_NMS = 0.5
"""IoU of boxes of which only one is measured: as `nuclei` uses (docs/benchmarks.md, "Overlapping cells")."""


class CenterMaskDetector:
    """See `Detector`."""

    def __init__(self, engine: Engine, settings: SegmentSettings) -> None:
        self._engine, self._settings = engine, settings
        self._careful: Engine = MirroredEngine(engine) if settings.flips else engine

    def pieces(self, scaled: ScaledInput, tiles: Sequence[Tile], score: float) -> list[Piece]:
        """Detect in whole tiles, but compute masks only for the cells that a tile owns and that can be large enough.

        In noise of single pixels there are thousands of boxes of two or three pixels, and masks take nearly all of the time.
        """
        features = self._careful.features(np.concatenate([scaled.read(tile.box) for tile in tiles]))
        pieces: list[Piece] = []
        for index, tile in enumerate(tiles):
            pieces += self._pieces(scaled, tile, features, index, score)
        return pieces

    def _pieces(self, scaled: ScaledInput, tile: Tile, features: Features, index: int, score: float) -> list[Piece]:
        """The cells of the tile at `index` of the batch."""
        detections = self.detect(features, index, score=score)
        whole = detections.boxes + np.array([tile.box[1], tile.box[0]] * 2, np.float32)
        mine = owned(whole, tile)
        detections, whole = detections[mine], whole[mine]
        seen = scaled.window(tile.box)
        inside = scaled.to_image(whole) - np.array([seen[1], seen[0]] * 2)
        is_cut = cut(whole, tile, scaled.shape)
        possible = is_cut | (_most_pixels(inside) >= self._settings.min_area)
        detections, inside, is_cut = detections[possible], inside[possible], is_cut[possible]
        pieces = []
        for start in range(0, len(inside), _HEAD_BATCH):
            part = slice(start, start + _HEAD_BATCH)
            boxes, classes = detections.boxes[part], detections.classes[part]
            probabilities, quality = self._careful.masks(features, boxes, classes, index=index)
            pasted = paste_many(probabilities, inside[part], (seen[2] - seen[0], seen[3] - seen[1]))
            for k, crop in enumerate(pasted, start=start):
                if crop is not None:
                    cell = self._cell(detections, k, crop, seen, float(np.clip(quality[k - start], 0, 1)))
                    pieces.append(Piece(cell, seen, bool(is_cut[k])))
        return pieces

    def detect(self, features: Features, index: int, *, score: float) -> Detections:
        """The boxes of the tile at `index` of the batch, without duplicates."""
        return detect(
            features,
            self._engine.card,
            score=score,
            nms=self._settings.nms,
            index=index,
            max_detections=self._settings.max_detections,
            soft=SoftNms(sigma=self._settings.soft_nms) if self._settings.soft_nms else None,
            across=True,
        )

    def candidates(self, features: Features) -> Detections:
        """The boxes of a window that its cells are measured by."""
        return detect(
            features,
            self._engine.card,
            score=self._settings.score,
            nms=SIZES_NMS,
            max_detections=CANDIDATES,
            across=True,
        )

    def _cell(
        self, detections: Detections, k: int, crop: tuple[int, int, np.ndarray], seen: Box, quality: float
    ) -> Instance:
        """Detection `k` with its mask, pasted into what its tile sees."""
        y0, x0, mask = crop
        card = self._engine.card
        return Instance(
            0,
            seen[0] + y0,
            seen[1] + x0,
            mask,
            category=int(detections.classes[k]) + 1,
            score=float(detections.scores[k]),
            mask_quality=quality,
            source=card.name,
            probabilities=tuple(tempered(detections.probabilities[k], card.temperature).tolist()),
        )

    def sizes(self, scaled: ScaledInput, window: Box, *, by_masks: bool) -> CellSizes:
        """Sizes of the confident cells, or of all if these are few.

        For an ellipse along its box, the disk of equal area has the diameter sqrt(width x height), so no mask is needed.
        """
        features = self._engine.features(scaled.read(window))
        detections = self.candidates(features)
        boxes, size = detections.boxes, np.array([window[3] - window[1], window[2] - window[0]])
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        is_cut = np.asarray(((boxes[:, :2] <= 1) | (boxes[:, 2:] >= size - 1)).any(axis=1))
        use = ((centres > 0) & (centres < size)).all(axis=1) & counting(is_cut, window, scaled)
        sure = use & (detections.scores >= _CONFIDENT)
        use = sure if np.count_nonzero(sure) >= FEW else use
        chosen = np.flatnonzero(use)[: _MEASURED if by_masks else None]
        areas = (boxes[chosen, 2:] - boxes[chosen, :2]).prod(axis=1)
        if by_masks and len(chosen):
            probabilities, _ = self._engine.masks(features, boxes[chosen], detections.classes[chosen])
            areas = areas * (probabilities >= 0.5).mean(axis=(1, 2)) * 4 / np.pi
        chosen, areas = chosen[areas > 0], areas[areas > 0]
        return np.sqrt(areas), detections.scores[chosen], centres[chosen], detections.classes[chosen]

    def prompts(self, scaled: ScaledInput, window: Box) -> DetectedTile:
        """The mask head fills boxes."""
        return DetectedTile(self._careful, self._settings, scaled, window)

    def class_maps(self, scaled: ScaledInput, window: Box) -> np.ndarray:
        """There are none."""
        raise NotImplementedError("A CenterMask has no class maps.")


def _most_pixels(boxes: np.ndarray) -> np.ndarray:
    """(N,) int: how many pixels have their centre in each box (N, 4; x0, y0, x1, y1 in image pixels); masks have no others."""
    sides = np.floor(boxes[:, 2:] - 0.5) - np.ceil(boxes[:, :2] - 0.5) + 1
    pixels: np.ndarray = np.maximum(sides, 0).prod(axis=1).astype(np.int64)
    return pixels
