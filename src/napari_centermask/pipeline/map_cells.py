"""The cells of a tile from the maps of a U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.paste import paste
from napari_centermask.core.probabilities import tempered
from napari_centermask.core.watershed import Region, regions, separate
from napari_centermask.engines import MapEngine
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.detector import CellSizes
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.settings import SegmentSettings, UNetSettings

_MORE_THAN_HALF = 0.5 + 1e-6  # of a resized pixel, so that it belongs to a single cell
_SPECK = 0.1  # of the size that half of the foreground's pixels lie in: a choice
_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))  # axes of a batch of tiles


def tile_maps(engine: MapEngine, scaled: ScaledInput, box: Box, *, flips: bool) -> np.ndarray:
    """The maps of a window (network pixels) of an image, (K, h, w) float32; see `batch_maps`."""
    return batch_maps(engine, scaled, [box], flips=flips)[0]


def batch_maps(engine: MapEngine, scaled: ScaledInput, boxes: Sequence[Box], *, flips: bool) -> list[np.ndarray]:
    """The maps of windows (network pixels) of an image, which are padded to one size.

    Parameters
    ----------
    flips
        Average over the windows and their mirror images; takes four times as long.

    Returns
    -------
    list of numpy.ndarray
        (K, h, w) float32 of each window, see `MapEngine.maps`.
    """
    tiles = np.concatenate([scaled.read(box) for box in boxes])
    least = 2 ** _form(engine.card).depth
    tiles = np.pad(tiles, [(0, 0), (0, 0), *((0, -side % least) for side in tiles.shape[2:])], mode="symmetric")
    total = np.zeros((), np.float32)
    for axes in _FLIPS if flips else _FLIPS[:1]:
        total = total + np.flip(engine.maps(np.ascontiguousarray(np.flip(tiles, axes))), axes)
    total = total / np.float32(len(_FLIPS)) if flips else total
    return [maps[:, : box[2] - box[0], : box[3] - box[1]] for maps, box in zip(total, boxes, strict=True)]


def _form(card: ModelCard) -> UNetSettings:
    return cast(UNetSettings, card.model)  # only these have maps


def find_regions(maps: np.ndarray, card: ModelCard, settings: SegmentSettings) -> list[Region]:
    """Separate the cells in maps.

    Parameters
    ----------
    maps
        (K, H, W), see `MapEngine.maps`.
    """
    return regions_of(label_cells(maps, card, settings), maps, card)


def regions_of(labels: np.ndarray, maps: np.ndarray, card: ModelCard) -> list[Region]:
    """Labelled cells, (H, W) int32, with their score and calibrated probabilities."""
    cells = regions(labels, maps[: _form(card).n_classes])
    return [replace(r, probabilities=tempered(r.probabilities, card.temperature)) for r in cells]


def label_cells(maps: np.ndarray, card: ModelCard, settings: SegmentSettings) -> np.ndarray:
    """(H, W) int32 labels of the cells in maps, by `core.watershed.separate`."""
    form = _form(card)
    extra = dict(zip(form.map_names[form.n_classes :], maps[form.n_classes :], strict=True))
    return separate(
        1 - maps[0],
        border=extra.get("border"),
        distance=extra.get("distance"),
        threshold=settings.foreground,
        seed=settings.seed,
        smoothing=settings.smoothing,
        diameter=card.diameter,
    )


def to_instance(region: Region, scaled: ScaledInput, box: tuple[int, int, int, int], **fields: Any) -> Instance | None:
    """Convert a region of a window (network pixels) to a cell of the image; None if it is smaller than half a pixel."""
    y0, x0, y1, x1 = scaled.window(box)
    crop: tuple[int, int, np.ndarray] | None
    if scaled.factors == (1.0, 1.0):
        crop = region.y0, region.x0, region.mask
    else:
        inside = scaled.to_image(np.array(region.box) + np.array([box[1], box[0]] * 2)) - np.array([x0, y0] * 2)
        crop = paste(region.mask.astype(np.float32), inside, (y1 - y0, x1 - x0), threshold=_MORE_THAN_HALF)
    if crop is None:
        return None
    category = int(region.probabilities.argmax()) + 1
    several = tuple(region.probabilities.tolist()) if len(region.probabilities) > 1 else ()
    place = y0 + crop[0], x0 + crop[1], crop[2]
    return Instance(0, *place, category=category, probabilities=several, **({"score": region.score} | fields))


def region_sizes(regions: Sequence[Region], shape: tuple[int, int]) -> tuple[CellSizes, np.ndarray]:
    """Sizes of the regions, with the diameters of the disks of equal area, and whether the window's edge cuts them.

    Specks are left out: regions of less than a tenth of the size that half of the foreground's pixels lie in.
    """
    boxes, areas = region_boxes(regions), np.array([np.count_nonzero(r.mask) for r in regions], np.float64)
    is_cut = np.asarray((boxes[:, :2] <= 0).any(axis=1) | (boxes[:, 2:] >= np.array(shape[::-1])).any(axis=1))
    chosen = np.arange(len(regions))
    if len(regions):
        ordered = np.sort(areas)
        chosen = np.flatnonzero(areas >= _SPECK * ordered[np.searchsorted(ordered.cumsum(), ordered.sum() / 2)])
    scores, centres = np.array([r.score for r in regions], np.float64), (boxes[:, :2] + boxes[:, 2:]) / 2
    classes = np.array([r.probabilities.argmax() for r in regions], np.int64)
    return (2 * np.sqrt(areas[chosen] / np.pi), scores[chosen], centres[chosen], classes[chosen]), is_cut[chosen]


def region_boxes(regions: Sequence[Region]) -> np.ndarray:
    """(N, 4) float64, x0, y0, x1, y1."""
    return np.array([r.box for r in regions], np.float64).reshape(-1, 4)
