"""The cells of a tile by a network that finds them in two steps, such as a Mask R-CNN."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from napari_centermask.core.instances import Box
from napari_centermask.engines import Detections, Engine, RegionEngine
from napari_centermask.engines.decode import detect_regions
from napari_centermask.pipeline.detections import CANDIDATES, SIZES_NMS, CenterMaskDetector
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.pipeline.prompt_detections import DetectedTile
from napari_centermask.settings import SegmentSettings


class RegionDetector(CenterMaskDetector):
    """See `Detector`: boxes and masks as of a CenterMask, but its engine gives the boxes."""

    def __init__(self, engine: RegionEngine, settings: SegmentSettings) -> None:
        super().__init__(cast(Engine, engine), settings.model_copy(update={"flips": False}))

    def detect(self, features: Any, index: int, *, score: float) -> Detections:
        """The boxes of the tile at `index` of the batch, without duplicates."""
        most = self._settings.max_detections
        return detect_regions(features, score=score, nms=self._settings.nms, index=index, max_detections=most)

    def candidates(self, features: Any) -> Detections:
        """The boxes of a window that its cells are measured by."""
        return detect_regions(features, score=self._settings.score, nms=SIZES_NMS, max_detections=CANDIDATES)

    def prompts(self, scaled: ScaledInput, window: Box) -> RegionTile:
        """The mask head fills boxes."""
        return RegionTile(self._engine, self._settings, scaled, window)


class RegionTile(DetectedTile):
    """A window of an image, its features kept; see `DetectedTile`."""

    def find(self, *, score: float, nms: float) -> Detections:
        """The boxes in the window."""
        return detect_regions(cast(Any, self._features), score=score, nms=nms)

    def votes_in(self, box: np.ndarray) -> np.ndarray:
        """(1, categories) how likely each category is for what is in a box (network pixels)."""
        return cast(RegionEngine, self._engine).votes(cast(Any, self._features), box[None])
