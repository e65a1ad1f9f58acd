"""Discs that move as told."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import TIME
from napari_centermask.pipeline.progress import run_through
from napari_centermask.pipeline.tracking import join_slices, track_cells
from napari_centermask.settings import StitchSettings, TrackSettings

SHAPE = (160, 160)


def disc(y, x, radius):
    yy, xx = np.mgrid[: 2 * radius + 1, : 2 * radius + 1] - radius
    mask = yy**2 + xx**2 <= radius**2
    return Instance.from_mask(mask, (round(y) - radius, round(x) - radius), status="accepted")


def series(*frames, leading=None):
    """Cells (y, x, radius) of each frame or plane; ids count from 1 in the order given."""
    leading = leading or (len(frames),)
    result = Result(SHAPE, leading=leading)
    for index, cells in zip(np.ndindex(*leading), frames, strict=True):
        result.put(index, Instances(SHAPE, [disc(*cell) for cell in cells]))
    return result


def tracked(result, way=TIME, **settings):
    """(track, parent) by the id of the cell."""
    found = run_through(track_cells(result, TrackSettings(**settings), way=way))
    return {id: pair for (_, id), pair in found.tracks.items()}


def joined(result, way, **settings):
    """The numbers of the 3-D cells by the id of the cell."""
    found = run_through(join_slices(result, StitchSettings(**settings), way=way))
    return {id: number for (_, id), (number, _) in found.tracks.items()}
