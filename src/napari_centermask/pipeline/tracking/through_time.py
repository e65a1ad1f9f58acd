"""Tracks through time: links from frame to frame, then gaps and divisions, after Jaqaman et al. 2008 (Nature Methods 5, 695)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import Key, Way
from napari_centermask.pipeline.progress import Progress
from napari_centermask.pipeline.tracking.links import drift_of, linked
from napari_centermask.pipeline.tracking.segments import joined
from napari_centermask.pipeline.tracking.things import Frame, Snapshot, frames_of, snapshot
from napari_centermask.settings import TrackSettings

_REACH = 1.0
"""Largest motion from one frame to the next, in diameters of a cell, where it is not set (docs/benchmarks.md, "Tracking")."""


@dataclass(frozen=True)
class Tracked:
    """What a tracking found.

    Attributes
    ----------
    tracks
        Track and parent of each cell, by its plane and id.
    n_tracks, n_divisions, n_gaps
        Numbers of tracks, of cells that divide, and of links over missing frames.
    farthest
        The largest motion that was allowed, in pixels.
    """

    tracks: dict[Key, tuple[int, int]]
    n_tracks: int
    n_divisions: int
    n_gaps: int
    farthest: float


def track_cells(
    result: Result, settings: TrackSettings, *, way: Way, first: int = 1
) -> Generator[Progress, None, Tracked]:
    """Find which cells of the frames of a result are one; it may be edited while this runs.

    Cells that are not shown are on no track.

    Parameters
    ----------
    way
        The time axis.
    first
        Number of the first track.

    Raises
    ------
    BadSettings
        If the result has no such axis, or no cells in two frames.
    """
    way.check(result.leading)
    return _track(snapshot(result), result.leading[way.axis], settings, way, first)


def _track(
    cells: Snapshot, n: int, settings: TrackSettings, way: Way, first: int
) -> Generator[Progress, None, Tracked]:
    if len({way.at(index) for index, members in cells if members}) < 2:
        raise BadSettings("Expected cells in two frames or more. Segment all frames first: 'All planes' in Segment.")
    frames: list[Frame] = []
    for frame in frames_of(cells, way, n):
        frames.append(frame)
        yield Progress(len(frames), 3 * n, "Reading cells")
    farthest = settings.largest_motion or _REACH * float(np.median([t.diameter for f in frames for t in f]))
    chains = yield from _chains(frames, farthest)
    pieces = yield from joined(frames, chains, farthest, settings)
    tracks: dict[Key, tuple[int, int]] = {}
    for number, piece in enumerate(pieces):
        for at, k in piece.things:
            parent = 0 if piece.parent is None else first + piece.parent
            tracks |= dict.fromkeys(frames[at][k].keys, (first + number, parent))
    mothers = {piece.parent for piece in pieces if piece.parent is not None}
    gaps = sum(b[0] - a[0] > 1 for p in pieces for a, b in zip(p.things, p.things[1:], strict=False))
    return Tracked(tracks, len(pieces), len(mothers), gaps, farthest)


def _chains(frames: list[Frame], farthest: float) -> Generator[Progress, None, list[dict[int, int]]]:
    """For each frame but the last, the cell of the next frame that each of its cells is."""
    chains: list[dict[int, int]] = []
    own: dict[int, tuple[float, float]] = {}
    for at, (before, after) in enumerate(zip(frames, frames[1:], strict=False)):
        pairs = linked(before, after, farthest, own)
        drift = drift_of(before, after, pairs)
        chains.append(dict(pairs))
        own = {}
        for i, j in pairs:
            y, x = np.subtract(after[j].centre, before[i].centre) - drift
            own[j] = float(y), float(x)
        yield Progress(len(frames) + at, 3 * len(frames), f"Frame {at + 2} of {len(frames)}")
    return chains
