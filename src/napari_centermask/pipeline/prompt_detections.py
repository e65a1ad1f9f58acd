"""Prompts for a CenterMask: the mask head fills the box, or the boxes around a click."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.paste import paste_many
from napari_centermask.core.probabilities import tempered
from napari_centermask.engines import Detections, Engine, Features
from napari_centermask.engines.decode import detect, locations, sigmoid
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.settings import SegmentSettings

_SCORE = 0.05  # a click means that there is a cell, so weak candidates count: from the reference's own threshold on
_WEAKEST = _SCORE / 10  # where there are none; a choice
_TRIED = 8  # candidates under a click to compute masks for: a choice, at once in one call of the mask heads


class DetectedTile:
    """A window (network pixels) of an image at one scale, its features kept.

    Parameters
    ----------
    scaled, window
        The image at that scale, and (y0, x0, y1, x1) in it.
    """

    def __init__(self, engine: Engine, settings: SegmentSettings, scaled: ScaledInput, window: Box) -> None:
        self._engine, self._scaled, self._window = engine, scaled, window
        self._features = engine.features(scaled.read(window))
        self._detections = self.find(score=_SCORE, nms=settings.nms)

    def find(self, *, score: float, nms: float) -> Detections:
        """The boxes in the window."""
        return detect(self._features, self._engine.card, score=score, nms=nms, across=True)

    def votes_in(self, box: np.ndarray) -> np.ndarray:
        """(1, categories) how likely each category is for what is in a box (network pixels)."""
        return _votes_in(box, self._features, self._engine.card)

    def fill(self, box: np.ndarray) -> Instance | None:
        """The cell that fills a box (x0, y0, x1, y1 in image pixels); None if the mask is empty."""
        boxes = self._scaled.to_network(box[None], self._window)
        votes = self.votes_in(boxes[0])
        kinds, several = votes.argmax(axis=1), votes if votes.shape[1] > 1 else votes[:, :0]
        return self._masks(Detections(boxes, np.ones(1), kinds, several))[0]

    def at(self, y: float, x: float) -> Instance | None:
        """The cell at a pixel; of several, the best centred one."""
        point = self._scaled.to_network(np.array([[x, y, x, y]]) + 0.5, self._window)[0, :2]
        detections, likely = self._under(point)
        cells = self._masks(detections)
        pairs = [(p * c.mask_quality, c) for p, c in zip(likely, cells, strict=True) if c and _covers(c, y, x)]
        return max(pairs, key=lambda pair: pair[0])[1] if pairs else None

    def _under(self, point: np.ndarray) -> tuple[Detections, np.ndarray]:
        """The candidates around a point (x, y), and how likely each is intended."""
        detections = self._detections
        likely = detections.scores * _centred(detections.boxes, point)
        if not (likely > 0).any():
            detections = self.find(score=_WEAKEST, nms=1)
            likely = detections.scores * _centred(detections.boxes, point)
        best = np.argsort(-likely, kind="stable")[:_TRIED]
        best = best[likely[best] > 0]
        return detections[best], likely[best]

    def _masks(self, detections: Detections) -> list[Instance | None]:
        """The cells in boxes; None if the mask is empty."""
        if not len(detections.boxes):
            return []
        masks, quality = self._engine.masks(self._features, detections.boxes.astype(np.float32), detections.classes)
        whole = self._scaled.to_image(detections.boxes + np.array([self._window[1], self._window[0]] * 2))
        crops = paste_many(masks, whole, self._scaled.unscaled.shape)
        return [
            Instance(
                0,
                *crop,
                category=int(detections.classes[k]) + 1,
                mask_quality=float(np.clip(quality[k], 0, 1)),
                source=self._engine.card.name,
                probabilities=tuple(tempered(detections.probabilities[k], self._engine.card.temperature).tolist()),
            )
            if crop
            else None
            for k, crop in enumerate(crops)
        ]


def _centred(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """(N,) centerness (arXiv 1904.01355, equation 3) of a point in boxes; 0 outside."""
    near, far = point - boxes[:, :2], boxes[:, 2:] - point
    low, high = np.minimum(near, far), np.maximum(near, far)
    parts = np.divide(low, high, out=np.zeros_like(low), where=high > 0)
    return np.where((low > 0).all(axis=1), np.sqrt(np.maximum(parts, 0).prod(axis=1)), 0.0)


def _votes_in(box: np.ndarray, features: Features, card: ModelCard) -> np.ndarray:
    """(1, categories) mean vote of the locations in the middle of a box; sums to 1."""
    n = features.logits.shape[2]
    if n == 1:
        return np.ones((1, 1))
    centres, _ = locations(features.tile_shape, card.strides)
    weight = _centred(np.broadcast_to(box, (len(centres), 4)), centres)
    votes = weight[:, None] * sigmoid(features.logits[0])
    total = votes.sum(axis=0, keepdims=True)
    return total / total.sum() if total.sum() > 0 else np.full((1, n), 1 / n)


def _covers(cell: Instance, y: float, x: float) -> bool:
    row, column = round(y) - cell.y0, round(x) - cell.x0
    return 0 <= row < cell.mask.shape[0] and 0 <= column < cell.mask.shape[1] and bool(cell.mask[row, column])
