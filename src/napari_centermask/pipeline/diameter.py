"""Estimate the cell diameter in a plane with the model itself, for each level of sizes that the model has."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.instances import Box
from napari_centermask.engines import AnyEngine
from napari_centermask.models.families import family_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.detector import FEW, CellSizes, make_detector
from napari_centermask.pipeline.model_input import ModelInput, ScaledInput
from napari_centermask.pipeline.passes import Pass, classes_of, completed
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
_LARGEST_SCALE = 8.0  # of a look: cells of an eighth of the model's size; smaller ones are not believed at any scale
_STEADY, _MORE = 0.25, 3  # octaves between two measurements that agree, and most measurements after the first
_UNSURE = 0.5  # part of the lowest score from which cells count that the model may be learning
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
    is_usual
        Whether the model was trained on cells of this size.
    score
        Least score of the cells.
    """

    diameter: float
    confidence: float
    middle: tuple[float, float]
    is_usual: bool
    score: float


def usual_diameter(card: ModelCard) -> float:
    """Diameter in image pixels if none can be estimated: that of the model's training cells, else the one it was trained at."""
    middles = [middle for _, middle, _ in card.diameters.values()]
    return float(np.median(middles)) if middles else float(card.diameter)


def estimated(card: ModelCard, diameters: Sequence[float | None]) -> tuple[Pass, ...]:
    """The passes for the estimates of `plane_diameter`, or for none; see `completed`, and `usual_diameter` for one level."""
    if card.levels:
        return completed(card, diameters or [None] * len(card.levels))
    known = diameters[0] if diameters else None
    return (Pass(usual_diameter(card) if known is None else known),)


@dataclass(frozen=True)
class _Level:
    """The cells whose diameter is estimated: all, or those of some categories.

    Attributes
    ----------
    classes
        Indices of the categories; None for all.
    sizes
        (low, high) usual diameters of each category in image pixels, as far as the card has them.
    """

    classes: frozenset[int] | None
    sizes: tuple[tuple[float, float], ...]

    def of(self, sizes: CellSizes) -> CellSizes:
        """The cells that count."""
        if self.classes is None:
            return sizes
        use = np.isin(sizes[3], list(self.classes))
        return sizes[0][use], sizes[1][use], sizes[2][use], sizes[3][use]


def _levels(card: ModelCard) -> list[_Level]:
    levels = []
    for classes in classes_of(card):
        names = None if classes is None else {card.model.categories[k] for k in classes}
        rows = card.diameters.items()
        levels.append(_Level(classes, tuple((low, high) for n, (low, _, high) in rows if names is None or n in names)))
    return levels


def plane_diameter(
    plane: ModelInput, engine: AnyEngine, settings: SegmentSettings
) -> Generator[Progress, None, list[float | None]]:
    """Estimate the typical cell diameter in a plane, yielding between tiles.

    The model segments windows of the plane at scales from coarse to fine, and at those at which cells have the sizes that it was
    trained on. At the scale with the highest confidence, the cells are measured again at the model's own size, and at the size
    found until both agree: specks and parts of cells, of which a model may be most certain, do not mislead it. For a model of
    several levels, all this holds for each: they share the windows, except for the last measurements. Where the model is certain
    of no cells of the sizes that it was trained on, it may be learning them: then less certain ones of these sizes count, too.

    Returns
    -------
    list of (float or None)
        Median diameter in image pixels of the disk of equal area, for each of `classes_of`; None if no scale has three cells of
        a plausible size.
    """
    levels, card = _levels(engine.card), engine.card
    if plane.is_blank:
        return [None for _ in levels]
    best = yield from _best_looks(plane, engine, settings, levels, _scales(card))
    are_rated = family_of(card).tunes_score  # else less certain cells count already
    if are_rated and any(
        level.sizes and not (look and look.is_usual) for level, look in zip(levels, best, strict=True)
    ):
        lower = settings.model_copy(update={"score": settings.score * _UNSURE})
        unsure = yield from _best_looks(plane, engine, lower, levels, sorted(_trained_scales(card)))
        best = [_of_both(look, other) for look, other in zip(best, unsure, strict=True)]
    diameters: list[float | None] = []
    for level, look in zip(levels, best, strict=True):
        diameters.append(None if look is None else (yield from _measured(plane, engine, settings, level, look)))
    return diameters


def _best_looks(
    plane: ModelInput, engine: AnyEngine, settings: SegmentSettings, levels: Sequence[_Level], scales: Sequence[float]
) -> Generator[Progress, None, list[_Look | None]]:
    """Of each level the look with the highest confidence."""
    best: list[_Look | None] = [None] * len(levels)
    for scale in scales:
        places = [look.middle for look in best if look is not None]
        looks = yield from _looks(plane.scaled(scale), engine, settings, levels, places)
        for k, (look, other) in enumerate(zip(looks, best, strict=True)):
            if look is not None and (other is None or look.confidence > other.confidence):
                best[k] = look
    return best


def _of_both(sure: _Look | None, unsure: _Look | None) -> _Look | None:
    """The look to follow, of one at certain cells and one at less certain cells, too."""
    if unsure is None or not unsure.is_usual or (sure and (sure.is_usual or sure.confidence >= unsure.confidence)):
        return sure
    return unsure


def _measured(
    plane: ModelInput, engine: AnyEngine, settings: SegmentSettings, level: _Level, best: _Look
) -> Generator[Progress, None, float]:
    """The diameter around the best look, at the scale at which the cells have the model's size."""
    certain, was = settings.model_copy(update={"score": best.score}), best.diameter
    diameter = yield from _measured_at(plane, engine, certain, level, was, best.middle)
    for _ in range(_MORE):
        if abs(np.log2(diameter / was)) < _STEADY:
            break
        other = yield from _measured_at(plane, engine, certain, level, diameter, best.middle)
        if _likelihood(other, 1.0, level) < 1:  # unlike the cells that the model was trained on
            break
        was, diameter = diameter, other
    return diameter


def _measured_at(
    plane: ModelInput,
    engine: AnyEngine,
    settings: SegmentSettings,
    level: _Level,
    diameter: float,
    middle: tuple[float, float],
) -> Generator[Progress, None, float]:
    """The diameter around a place, at the scale at which cells of `diameter` have the model's size; that one if it finds none."""
    scaled = plane.scaled(min(engine.card.diameter / diameter, _LARGEST_SCALE))
    detector = make_detector(engine, settings)
    yield Progress(0, 0, "Estimating the cell diameter")
    for least in _LAST:
        window = _window(scaled, _side(scaled, least * engine.card.diameter, settings), middle)
        diameters = level.of(detector.sizes(scaled, window, by_masks=True))[0]
        if len(diameters) >= _SURE:
            break
    size = _typical(diameters, window) if len(diameters) >= FEW else 0.0
    return size / _factor(scaled) if _is_trusted(size, scaled, engine.card) else diameter


def _scales(card: ModelCard) -> list[float]:
    """The scales, from coarse to fine."""
    return sorted(
        {*SCALES, *(s for s in _trained_scales(card) if min(abs(np.log2(s / other)) for other in SCALES) > _NEAR)}
    )


def _trained_scales(card: ModelCard) -> set[float]:
    """Those at which cells of the sizes that the model was trained on have the model's size."""
    return {float(np.clip(card.diameter / middle, 1 / 16, _LARGEST_SCALE)) for _, middle, _ in card.diameters.values()}


def _looks(
    scaled: ScaledInput,
    engine: AnyEngine,
    settings: SegmentSettings,
    levels: Sequence[_Level],
    places: Sequence[tuple[float, float]],
) -> Generator[Progress, None, list[_Look | None]]:
    """Segment several windows until there are enough cells of a level."""
    detector = make_detector(engine, settings)
    seen: CellSizes = np.zeros(0), np.zeros(0), np.zeros((0, 2)), np.zeros(0, np.int64)
    for window in _windows(scaled, _side(scaled, _LOOK * engine.card.diameter, settings), places):
        yield Progress(0, 0, "Estimating the cell diameter")
        diameters, scores, centres, classes = detector.sizes(scaled, window, by_masks=False)
        more = diameters, scores, centres[:, ::-1] + np.array(window[:2]), classes
        seen = _joined(seen, more)
        if any(len(level.of(seen)[0]) >= _ENOUGH for level in levels):
            break
    return [_look(level.of(seen), level, scaled, engine.card, window, settings.score) for level in levels]


def _joined(a: CellSizes, b: CellSizes) -> CellSizes:
    diameters, scores, middles, classes = (np.concatenate(pair) for pair in zip(a, b, strict=True))
    return diameters, scores, middles, classes


def _look(
    cells: CellSizes, level: _Level, scaled: ScaledInput, card: ModelCard, window: Box, score: float
) -> _Look | None:
    """What the cells of a level (middles are y, x in network pixels) say at a scale; None if that is nothing."""
    (diameters, scores, centres, _), factor = cells, _factor(scaled)
    if len(diameters) < FEW:
        return None
    size = _typical(diameters, window)
    if not _is_trusted(size, scaled, card):
        return None
    likelihood = _likelihood(size / factor, factor, level)
    confidence = float(np.sort(scores)[-_BEST:].mean()) * likelihood
    y, x = centres[np.abs(centres - np.median(centres, axis=0)).sum(axis=1).argmin()] / np.array(scaled.factors)
    return _Look(size / factor, confidence, (float(y), float(x)), bool(level.sizes) and likelihood == 1, score)


def _is_trusted(size: float, scaled: ScaledInput, card: ModelCard) -> bool:
    """Whether cells of a size in network pixels are believed; a model that is hardly trained may take noise for cells."""
    small, large = (part * card.diameter for part in _TRUSTED)
    return small <= size <= large and size / _factor(scaled) >= card.diameter / _LARGEST_SCALE


def _likelihood(diameter: float, scale: float, level: _Level) -> float:
    """How likely cells of a diameter (image pixels) are, as a factor up to 1."""
    if not level.sizes:
        return float(_DOUBT ** abs(np.log2(scale)))
    beyond = [max(0.0, np.log2(low / diameter), np.log2(diameter / high)) for low, high in level.sizes]
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


def _windows(scaled: ScaledInput, side: int, with_cells: Sequence[tuple[float, float]]) -> Iterator[Box]:
    """Windows around the centre of the image, places (image pixels) with cells, and the centres of the quarters.

    They do not overlap, so that no cell is counted twice.
    """
    height, width = scaled.unscaled.shape
    parts = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))
    places = [(y * height, x * width) for y, x in parts]
    places[1:1] = with_cells
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
