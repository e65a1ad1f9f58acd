"""Estimate the cell diameter in a plane with the model itself."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.instances import Box
from napari_centermask.engines import AnyEngine
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.detector import FEW, make_detector
from napari_centermask.pipeline.model_input import ModelInput, ScaledInput
from napari_centermask.pipeline.progress import Progress
from napari_centermask.settings import SegmentSettings

SCALES = (0.25, 0.5, 1.0, 2.0)
"""At which a model looks at an image: cells of half to four times its own size, and half as much again on either side."""
_PART, _LOOK, _LAST = 0.015, 5.0, (8.0, 16.0)
"""Size of a window: this part of the image's pixels, or so many cells in a row in a look and in the last measurement (the second
where the first holds fewer than `_SURE`) if that is more. Together they cost about a tenth of a run where cells are small beside
the image and crowded."""
_TRUSTED = 0.25, 2.0
"""Sizes of cells that are believed, as parts of the model's own: what is smaller is texture or noise, what is larger is cut."""
# Choices; what they amount to together was measured (docs/benchmarks.md, "Estimating the diameter").
_ENOUGH = 8  # cells in a look; then no other place is needed
_SURE = 12  # cells in the last measurement; if there are fewer, a larger window is measured
_BEST = 20  # cells whose scores determine the confidence of a look
_LARGEST_SCALE = 8.0  # of a look: cells of an eighth of the model's size, below which there is nothing to see
_NEAR = 0.2  # octaves between two scales that are as good as one
_DOUBT = 0.85
"""Factor on the confidence for each octave of the cells from the sizes that the model was trained on, or of a look's scale from 1
where the card does not say them. With 0.95 one of 37 validation images was misread (`dsb2018_brightfield`: 100 px for 18)."""


@dataclass(frozen=True)
class _Look:
    """The cells in a window at one scale.

    Attributes
    ----------
    diameter
        Median, image pixels.
    confidence
        In [0, 1], including how likely the size is according to the card.
    middle
        (y, x) in image pixels of a cell in the middle of the others.
    """

    diameter: float
    confidence: float
    middle: tuple[float, float]


def usual_diameter(card: ModelCard) -> float:
    """Diameter in image pixels if none can be estimated: that of the model's training cells, else the one it was trained at."""
    middles = [middle for _, middle, _ in card.diameters.values()]
    return float(np.median(middles)) if middles else float(card.diameter)


def plane_diameter(
    plane: ModelInput, engine: AnyEngine, settings: SegmentSettings
) -> Generator[Progress, None, float | None]:
    """Estimate the typical cell diameter in a plane, yielding between tiles.

    The model segments windows of the plane at scales from coarse to fine, and at those at which cells have the sizes that it was
    trained on. At the scale with the highest confidence, the cells are measured again at the model's own size.

    Returns
    -------
    float or None
        Median diameter in image pixels of the disk of equal area; None if no scale has three cells of a plausible size.
    """
    if plane.is_blank:
        return None
    best: _Look | None = None
    for scale in _scales(engine.card):
        look = yield from _look(plane.scaled(scale), engine, settings, None if best is None else best.middle)
        if look is not None and (best is None or look.confidence > best.confidence):
            best = look
    if best is None:
        return None
    scaled = plane.scaled(min(engine.card.diameter / best.diameter, _LARGEST_SCALE))
    yield Progress(0, 0, "Estimating the cell diameter")
    for least in _LAST:
        window = _window(scaled, _side(scaled, least * engine.card.diameter, settings), best.middle)
        diameters, _, _ = make_detector(engine, settings).sizes(scaled, window, by_masks=True)
        if len(diameters) >= _SURE:
            break
    return _typical(diameters, window) / _factor(scaled) if len(diameters) >= FEW else best.diameter


def _scales(card: ModelCard) -> list[float]:
    """The scales, from coarse to fine."""
    trained = {
        float(np.clip(card.diameter / middle, 1 / 16, _LARGEST_SCALE)) for _, middle, _ in card.diameters.values()
    }
    return sorted({*SCALES, *(s for s in trained if min(abs(np.log2(s / other)) for other in SCALES) > _NEAR)})


def _look(
    scaled: ScaledInput, engine: AnyEngine, settings: SegmentSettings, middle: tuple[float, float] | None
) -> Generator[Progress, None, _Look | None]:
    """Segment several windows until there are enough cells."""
    card, factor, detector = engine.card, _factor(scaled), make_detector(engine, settings)
    diameters, scores, centres = np.zeros(0), np.zeros(0), np.zeros((0, 2))
    for window in _windows(scaled, _side(scaled, _LOOK * card.diameter, settings), middle):
        yield Progress(0, 0, "Estimating the cell diameter")
        more = detector.sizes(scaled, window, by_masks=False)
        diameters, scores = np.append(diameters, more[0]), np.append(scores, more[1])
        centres = np.concatenate([centres, more[2][:, ::-1] + np.array(window[:2])])
        if len(diameters) >= _ENOUGH:
            break
    if len(diameters) < FEW:
        return None
    size = _typical(diameters, window)
    if not _TRUSTED[0] * card.diameter <= size <= _TRUSTED[1] * card.diameter:
        return None
    confidence = float(np.sort(scores)[-_BEST:].mean()) * _likelihood(size / factor, factor, card)
    y, x = centres[np.abs(centres - np.median(centres, axis=0)).sum(axis=1).argmin()] / np.array(scaled.factors)
    return _Look(size / factor, confidence, (float(y), float(x)))


def _likelihood(diameter: float, scale: float, card: ModelCard) -> float:
    """How likely cells of a diameter (image pixels) are, as a factor up to 1."""
    if not card.diameters:
        return float(_DOUBT ** abs(np.log2(scale)))
    beyond = [max(0.0, np.log2(low / diameter), np.log2(diameter / high)) for low, _, high in card.diameters.values()]
    return float(_DOUBT ** min(beyond))


def _factor(scaled: ScaledInput) -> float:
    """Network pixels per image pixel."""
    return float(np.sqrt(np.prod(scaled.factors)))


def _typical(diameters: np.ndarray, window: Box) -> float:
    """Median over the whole cells in a window, weighted against the bias to small ones (Miles, 1974; Lantuejoul, 1978)."""
    height, width = window[2] - window[0], window[3] - window[1]
    chance = np.maximum(height - diameters, 1) * np.maximum(width - diameters, 1)
    order = np.argsort(diameters)
    weights = (1 / chance[order]).cumsum()
    middle = np.interp(weights[-1] / 2, weights - (1 / chance[order]) / 2, diameters[order])
    return float(middle)


def _side(scaled: ScaledInput, least: float, settings: SegmentSettings) -> int:
    """Side of the windows in network pixels; a multiple of 32, to which the network's input is padded anyway."""
    height, width = scaled.unscaled.shape
    side = max(least, float(np.sqrt(_PART * height * width)))
    return int(min(-(-side // 32) * 32, settings.tile))


def _windows(scaled: ScaledInput, side: int, middle: tuple[float, float] | None) -> Iterator[Box]:
    """Windows around the centre of the image, a place (image pixels) with cells, and the centres of the quarters.

    They do not overlap, so that no cell is counted twice.
    """
    height, width = scaled.unscaled.shape
    parts = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))
    places = [(y * height, x * width) for y, x in parts]
    if middle is not None:
        places.insert(1, middle)
    taken: list[Box] = []
    for place in places:
        y0, x0, y1, x1 = window = _window(scaled, side, place)
        if all(y0 >= other[2] or y1 <= other[0] or x0 >= other[3] or x1 <= other[1] for other in taken):
            taken.append(window)
            yield window


def _window(scaled: ScaledInput, side: int, middle: tuple[float, float]) -> Box:
    """A window around a place (image pixels), moved into the image."""
    corner, sides = [], []
    for place, factor, length in zip(middle, scaled.factors, scaled.shape, strict=True):
        sides.append(min(side, length))
        corner.append(int(np.clip(place * factor - sides[-1] / 2, 0, length - sides[-1])))
    return corner[0], corner[1], corner[0] + sides[0], corner[1] + sides[1]
