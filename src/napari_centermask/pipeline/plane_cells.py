"""Find the cells of a plane, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace

from napari_centermask.core.covered import drop_covered, without_overlaps
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.core.regions import Region, contains, windows
from napari_centermask.core.result import centre
from napari_centermask.core.tiles import Piece, Tile, merge, plan
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.several import workers_of
from napari_centermask.models.families import family_of
from napari_centermask.pipeline.detector import make_detector
from napari_centermask.pipeline.model_input import ALIGN, ModelInput, ScaledInput
from napari_centermask.pipeline.passes import Pass
from napari_centermask.pipeline.progress import Progress, scaled_to
from napari_centermask.pipeline.shared_work import shared
from napari_centermask.settings import SegmentSettings

Seams = tuple[tuple[float, ...], tuple[float, ...]]
"""(y, x) positions at which tiles meet, in image pixels."""
CONTEXT = 3.0
"""Context around a region, in diameters: cells at its edge are whole, and look as they do in the image. A choice: the cell,
and one neighbour on either side."""
_OVERLAP = 1.25
"""Overlap of tiles in diameters of the model: more than a typical cell, so that one tile shows it whole. A choice; what tiles of
different sizes agree on with it is in docs/benchmarks.md, "Large images"."""


def find_cells(
    plane: ModelInput,
    engine: AnyEngine,
    settings: SegmentSettings,
    passes: Sequence[Pass],
    *,
    region: Region | None = None,
    min_score: float,
) -> Generator[Progress, None, tuple[Instances, Seams]]:
    """Find the cells of a plane, yielding between tiles.

    Needs the memory of one tile besides the image and the result. Time is linear in pixels and cells. The cells of several
    passes are of different categories: a nucleus and its cell are both kept, and of one cell that two passes took for
    different things the better is (`drop_covered`).

    Parameters
    ----------
    passes
        Diameters of typical cells in image pixels, and the categories that are looked for at each.
    region
        Only cells centred inside these polygons; only `CONTEXT` diameters around them are read.

    Returns
    -------
    cells
        Ids run from top to bottom; `source` is the model. For a CenterMask, `score` is the detection's and `mask_quality`
        the predicted IoU; for a U-Net, `score` is the mean probability of the foreground, and cells of one pass do not overlap.
    seams
        Where tiles meet.

    Raises
    ------
    BadSettings
        If a diameter or the overlap does not fit the model or the tile.
    """
    categories = dict(enumerate(engine.card.model.categories, start=1))
    if plane.is_blank:
        return Instances(plane.shape, categories=categories), ((), ())
    found: list[Instance] = []
    ys: set[float] = set()
    xs: set[float] = set()
    for number, one in enumerate(passes):
        steps = _cells_at(plane, engine, settings, one, region=region, min_score=min_score)
        title = f"Pass {number + 1} of {len(passes)}: " if len(passes) > 1 else ""
        cells, seams = yield from scaled_to(steps, number, len(passes), title)
        found += cells
        ys, xs = ys | set(seams[0]), xs | set(seams[1])
    kept = drop_covered(found, settings.mask_nms) if len(passes) > 1 else found
    kept.sort(key=lambda i: (i.y0, i.x0))
    numbered = (replace(instance, id=number) for number, instance in enumerate(kept, start=1))
    return Instances(plane.shape, numbered, categories=categories), (tuple(sorted(ys)), tuple(sorted(xs)))


def _cells_at(
    plane: ModelInput,
    engine: AnyEngine,
    settings: SegmentSettings,
    one: Pass,
    *,
    region: Region | None,
    min_score: float,
) -> Generator[Progress, None, tuple[list[Instance], Seams]]:
    """The cells of one pass, and where its tiles meet."""
    scaled = plane.scaled(engine.card.diameter / one.diameter)
    around = None if region is None else windows(region, plane.shape, margin=math.ceil(CONTEXT * one.diameter))
    tiles = tiles_of(scaled, settings, around)
    found = yield from pieces_of(scaled, tiles, engine, settings, min_score)
    pieces = [piece for piece in found if one.counts(piece.instance.category)]
    yield Progress(len(tiles), len(tiles), "Merging")
    cells = merge(pieces) if len(tiles) > 1 else [p.instance for p in pieces]
    kept = drop_covered(_large(cells, settings), settings.mask_nms)
    if not family_of(engine.card).overlaps:  # neighbouring tiles separate cells at their seam differently
        kept = _large(without_overlaps(kept), settings)
    if region is not None:
        kept = [cell for cell in kept if contains(region, centre(cell))]
    return kept, _seams(tiles, scaled.factors)


def pieces_of(
    scaled: ScaledInput, tiles: Sequence[Tile], engine: AnyEngine, settings: SegmentSettings, min_score: float
) -> Generator[Progress, None, list[Piece]]:
    """The cells of all tiles, in the order of the tiles; the engines of several devices share them."""
    workers = workers_of(engine)
    detectors = [make_detector(worker, settings) for worker in workers]
    # Not so many at once that a device has nothing to do.
    most = max(1, min(engine.batch, -(-len(tiles) // len(workers))))
    batches = batches_of(tiles, most)
    found: list[list[Piece]] = [[] for _ in batches]
    done = 0
    yield Progress(0, len(tiles), f"Tile 1 of {len(tiles)}")
    if len(workers) == 1:
        for number, batch in enumerate(batches):
            found[number] = detectors[0].pieces(scaled, batch, min_score)
            done += len(batch)
            if done < len(tiles):
                yield Progress(done, len(tiles), f"Tile {done + 1} of {len(tiles)}")
    else:
        for number, future in shared(batches, detectors, lambda one, batch: one.pieces(scaled, batch, min_score)):
            found[number] = future.result()
            done += len(batches[number])
            yield Progress(done, len(tiles), f"{done} of {len(tiles)} tiles")
    return [piece for pieces in found for piece in pieces]


def batches_of(tiles: Sequence[Tile], most: int) -> list[list[Tile]]:
    """Tiles that follow each other and have one size, up to `most` at once."""
    batches: list[list[Tile]] = []
    for tile in tiles:
        if batches and len(batches[-1]) < most and _size(batches[-1][0]) == _size(tile):
            batches[-1].append(tile)
        else:
            batches.append([tile])
    return batches


def _size(tile: Tile) -> tuple[int, int]:
    """(H, W) of what the network sees of a tile."""
    y0, x0, y1, x1 = tile.box
    return -(-(y1 - y0) // ALIGN), -(-(x1 - x0) // ALIGN)


def tiles_of(scaled: ScaledInput, settings: SegmentSettings, around: Sequence[Box] | None = None) -> list[Tile]:
    """Tiles that overlap by more than a typical cell, if possible.

    Parameters
    ----------
    around
        Separate boxes in image pixels that the tiles must cover; by default the whole plane.
    """
    if settings.overlap > settings.tile - ALIGN:
        raise BadSettings(
            f"The overlap must be at most {settings.tile - ALIGN} with tiles of {settings.tile}, "
            f"not {settings.overlap}. Choose a smaller overlap or larger tiles."
        )
    overlap = max(settings.overlap, int(min(_OVERLAP * scaled.unscaled.card.diameter, settings.tile / 4)))
    boxes = [(0, 0, *scaled.shape)] if around is None else [_aligned(box, scaled) for box in around]
    tiles = []
    for y0, x0, y1, x1 in boxes:
        part = plan((y1 - y0, x1 - x0), tile=settings.tile, overlap=overlap, align=ALIGN)
        tiles += [Tile(_moved(t.box, y0, x0), _moved(t.core, y0, x0)) for t in part]
    return tiles


def _aligned(box: Box, scaled: ScaledInput) -> Box:
    """A box of image pixels in network pixels, on the grid of the whole plane's tiles."""
    (fy, fx), (height, width) = scaled.factors, scaled.shape
    y1, x1 = (math.ceil(side / ALIGN) * ALIGN for side in (box[2] * fy, box[3] * fx))
    return int(box[0] * fy) // ALIGN * ALIGN, int(box[1] * fx) // ALIGN * ALIGN, min(y1, height), min(x1, width)


def _moved(box: Box, y: int, x: int) -> Box:
    return box[0] + y, box[1] + x, box[2] + y, box[3] + x


def _seams(tiles: list[Tile], factors: tuple[float, float]) -> Seams:
    """Positions where the cores of neighbours meet, in image pixels."""
    ys, xs = ({t.core[axis] / factors[axis] for t in tiles if t.core[axis] > t.box[axis]} for axis in (0, 1))
    return tuple(sorted(ys)), tuple(sorted(xs))


def _large(cells: list[Instance], settings: SegmentSettings) -> list[Instance]:
    return [i for i in cells if i.area >= settings.min_area]
