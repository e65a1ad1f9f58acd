"""From an image to its instances, tile by tile."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np

from napari_centermask.core.covered import drop_covered, without_overlaps
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.paste import paste_many
from napari_centermask.core.probabilities import tempered
from napari_centermask.core.tiles import Piece, Tile, cut, merge, owned, plan
from napari_centermask.engines import AnyEngine, Engine
from napari_centermask.engines.decode import detect
from napari_centermask.pipeline.diameter import diameter_steps
from napari_centermask.pipeline.map_cells import tile_pieces
from napari_centermask.pipeline.source import ALIGN, Scaled, Source
from napari_centermask.pipeline.steps import Progress, Seams, run_through, suited
from napari_centermask.settings import SegmentSettings

_HEAD_BATCH = 64  # cells per call of the mask heads: more are no faster and take more memory


def segment(image: Any, engine: AnyEngine, settings: SegmentSettings | None = None, **options: Any) -> Instances:
    """Segment an image; see `segment_steps`."""
    return run_through(segment_steps(image, engine, settings or SegmentSettings(), **options))


def segment_steps(
    image: Any,
    engine: AnyEngine,
    settings: SegmentSettings,
    *,
    min_score: float | None = None,
    whole: Any | None = None,
    origin: tuple[int, int] = (0, 0),
) -> Generator[Progress, None, Instances]:
    """Segment an image, yielding between tiles.

    Memory beyond the image and the result is that of one tile. Time is linear in pixels and cells.

    Parameters
    ----------
    image
        (C, H, W) or (H, W) array-like; memory maps, dask and zarr arrays are read tile by tile.
    min_score
        Keep cells from this score on instead of `settings.score`, to filter them later without running again.
    whole, origin
        See `Source.open`.

    Returns
    -------
    Instances
        Ids run from top to bottom; `source` is the model. Of a CenterMask, `score` is the detection's and `mask_quality`
        the predicted IoU; of a U-Net, `score` is the mean probability of the foreground, and no two cells overlap.

    Raises
    ------
    BadImage
        See `Source.open`.
    BadSettings
        If the diameter or the overlap does not fit the model or the tile.
    """
    card, settings = engine.card, suited(settings, engine.card)
    source = Source.open(image, card, settings, whole=whole, origin=origin)
    categories = dict(enumerate(card.model.categories, start=1))
    if source.is_blank:
        return Instances(source.shape, categories=categories)
    diameter = settings.diameter
    if diameter is None:
        diameter = yield from diameter_steps(image, engine, settings, whole=whole, origin=origin)
    scaled = source.scaled(card.diameter / diameter)
    tiles = tiles_of(scaled.shape, settings, card.diameter)
    score = settings.score if min_score is None else min_score
    pieces: list[Piece] = []
    find = tile_pieces if card.kind == "unet" else _segment_tile
    for number, tile in enumerate(tiles):
        yield Progress(number, len(tiles), f"Tile {number + 1} of {len(tiles)}")
        pieces += find(scaled, tile, engine, settings, score)
    yield Progress(len(tiles), len(tiles), "Merging", _seams(tiles, scaled.factors))
    found = merge(pieces) if len(tiles) > 1 else [p.instance for p in pieces]
    kept = drop_covered(_large(found, settings), settings.mask_nms)
    if card.kind == "unet":  # neighbouring tiles part cells at their seam each in its way
        kept = _large(without_overlaps(kept), settings)
    kept.sort(key=lambda i: (i.y0, i.x0))
    numbered = (replace(instance, id=number) for number, instance in enumerate(kept, start=1))
    return Instances(source.shape, numbered, categories=categories)


def tiles_of(shape: tuple[int, int], settings: SegmentSettings, diameter: float) -> list[Tile]:
    """Tiles that overlap by more than a typical cell, where they can."""
    if settings.overlap > settings.tile - ALIGN:
        raise BadSettings(
            f"Expected an overlap of at most {settings.tile - ALIGN} with tiles of {settings.tile}, "
            f"got {settings.overlap}. Choose a smaller overlap or larger tiles."
        )
    overlap = max(settings.overlap, int(min(1.25 * diameter, settings.tile / 4)))
    return plan(shape, tile=settings.tile, overlap=overlap, align=ALIGN)


def _seams(tiles: list[Tile], factors: tuple[float, float]) -> Seams:
    """Where the cores of neighbours meet, in image pixels."""
    ys, xs = ({t.core[axis] / factors[axis] for t in tiles} - {0.0} for axis in (0, 1))
    return tuple(sorted(ys)), tuple(sorted(xs))


def _segment_tile(scaled: Scaled, tile: Tile, engine: Engine, settings: SegmentSettings, score: float) -> list[Piece]:
    """The cells that a tile owns; detection sees the whole tile, mask heads only these cells."""
    features = engine.features(scaled.read(tile.box))
    found = detect(
        features, engine.card, score=score, nms=settings.nms, max_detections=settings.max_detections, across=True
    )
    whole = found.boxes + np.array([tile.box[1], tile.box[0]] * 2, np.float32)
    mine = owned(whole, tile)
    found, whole = found[mine], whole[mine]
    seen = scaled.window(tile.box)
    inside = scaled.to_image(whole) - np.array([seen[1], seen[0]] * 2)
    is_cut = cut(whole, tile, scaled.shape)
    pieces = []
    for start in range(0, len(whole), _HEAD_BATCH):
        part = slice(start, start + _HEAD_BATCH)
        probabilities, quality = engine.masks(features, found.boxes[part], found.classes[part])
        pasted = paste_many(probabilities, inside[part], (seen[2] - seen[0], seen[3] - seen[1]))
        for k, crop in enumerate(pasted, start=start):
            if crop is not None:
                y0, x0, mask = crop
                cell = Instance(
                    0,
                    seen[0] + y0,
                    seen[1] + x0,
                    mask,
                    category=int(found.classes[k]) + 1,
                    score=float(found.scores[k]),
                    mask_quality=float(np.clip(quality[k - start], 0, 1)),
                    source=engine.card.name,
                    probabilities=tuple(tempered(found.probabilities[k], engine.card.temperature).tolist()),
                )
                pieces.append(Piece(cell, seen, bool(is_cut[k])))
    return pieces


def _large(found: list[Instance], settings: SegmentSettings) -> list[Instance]:
    return [i for i in found if i.area >= settings.min_area]
