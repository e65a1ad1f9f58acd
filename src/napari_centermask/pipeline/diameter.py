"""How large the cells of a plane are, asked of the model itself."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from napari_centermask.core.instances import Box
from napari_centermask.engines import AnyEngine, Engine
from napari_centermask.engines.decode import detect
from napari_centermask.pipeline.map_cells import find_regions, region_diameters, tile_maps
from napari_centermask.pipeline.model_input import ModelInput, ScaledInput
from napari_centermask.pipeline.progress import Progress
from napari_centermask.settings import SegmentSettings

_SCALES = (1.0, 0.5, 2.0)  # tried in turn until cells are found
_MOVED = 1.25  # measured again at its own scale where the first one was off by more
_CONFIDENT = 0.5
_FEW = 3
_MOST = 100  # cells measured; more change the median little


def plane_diameter(
    plane: ModelInput, engine: AnyEngine, settings: SegmentSettings
) -> Generator[Progress, None, float | None]:
    """Estimate the typical cell diameter in a plane, yielding between tiles.

    The model segments one tile (of a large image the middle, or another place if that is empty) at scale 1, or 0.5 or
    2 if it finds nothing. If the cells are not of the size it was trained at, it does so once more at the scale that
    makes them so.

    Returns
    -------
    float or None
        Median diameter in image pixels of the disk of equal area; None where no cell is found.
    """
    if plane.is_blank:
        return None
    diameter, card = None, engine.card
    for scale in _SCALES:
        yield Progress(0, 0, "Estimating the cell diameter")
        diameter = yield from _measure(plane.scaled(scale), engine, settings)
        if diameter is not None:
            break
    if diameter is None:
        return None
    better = card.diameter / diameter
    if max(better / scale, scale / better) > _MOVED:
        again = yield from _measure(plane.scaled(min(better, 8.0)), engine, settings)
        diameter = diameter if again is None else again
    return float(diameter)


def _measure(
    scaled: ScaledInput, engine: AnyEngine, settings: SegmentSettings
) -> Generator[Progress, None, float | None]:
    """Median diameter in image pixels in the first place that holds cells."""
    for box in _places(scaled.shape, settings.tile):
        diameters = _diameters(scaled, box, engine, settings)
        if len(diameters):
            return float(np.median(diameters)) / float(np.sqrt(np.prod(scaled.factors)))
        yield Progress(0, 0, "Estimating the cell diameter")
    return None


def _places(shape: tuple[int, int], tile: int) -> list[Box]:
    """Windows of at most a tile: the middle, then the middles of the quarters."""
    height, width = min(shape[0], tile), min(shape[1], tile)
    places = []
    for part_y, part_x in ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25)):
        y0 = int(np.clip(part_y * shape[0] - height / 2, 0, shape[0] - height))
        x0 = int(np.clip(part_x * shape[1] - width / 2, 0, shape[1] - width))
        places.append((y0, x0, y0 + height, x0 + width))
    return list(dict.fromkeys(places))


def _diameters(scaled: ScaledInput, box: Box, engine: AnyEngine, settings: SegmentSettings) -> np.ndarray:
    """Diameters in network pixels of the cells in a window."""
    if engine.card.kind == "unet":
        found = find_regions(tile_maps(engine, scaled, box, flips=False), engine.card, settings)
        return region_diameters(found, (box[2] - box[0], box[3] - box[1]))
    return _detected_diameters(scaled, box, engine, settings.score)


def _detected_diameters(scaled: ScaledInput, box: Box, engine: Engine, score: float) -> np.ndarray:
    """Those of the confident cells; of cells cut by the window's edge only if they are most."""
    features = engine.features(scaled.read(box))
    found = detect(features, engine.card, score=score, nms=0.5, max_detections=10 * _MOST, across=True)
    boxes, classes = found.boxes, found.classes
    size = np.array([box[3] - box[1], box[2] - box[0]])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    use = ((centres > 0) & (centres < size)).all(axis=1)
    for wanted in (found.scores >= _CONFIDENT, ((boxes[:, :2] > 1) & (boxes[:, 2:] < size - 1)).all(axis=1)):
        use = use & wanted if np.count_nonzero(use & wanted) >= _FEW else use
    chosen = np.flatnonzero(use)[:_MOST]
    if not len(chosen):
        return np.zeros(0)
    probabilities, _ = engine.masks(features, boxes[chosen], classes[chosen])
    sides = boxes[chosen, 2:] - boxes[chosen, :2]
    areas = (probabilities >= 0.5).mean(axis=(1, 2)) * sides.prod(axis=1)
    return 2 * np.sqrt(areas[areas > 0] / np.pi)
