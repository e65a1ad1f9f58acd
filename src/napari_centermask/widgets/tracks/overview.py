"""What there is to see of an image's tracks, computed off the GUI thread: a table, and the lines of a napari Tracks layer."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_centermask.core.result import Index, Result, centre
from napari_centermask.core.tracks import Lineage
from napari_centermask.io.formats.loss import only_shown
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.tracks.controls import Axes
from napari_centermask.widgets.tracks.rows import Rows, solid_rows, track_rows
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    from napari_centermask.core.instances import Instance

_STEP = 500  # cells between two moments at which the work can be stopped
Centres = dict[tuple[Index, int], tuple[np.ndarray, int, int, float, float]]
"""Mask, place and centre of cells: a change of the track leaves them as they are."""


@dataclass(frozen=True)
class Lines:
    """What napari needs to draw tracks.

    Attributes
    ----------
    data
        (n, 1 + D) float: track, then the place on the axes of the image from time on; sorted by track and time.
    graph
        The parent of each track that has one.
    roots
        (n,) int, the track at the beginning of each row's lineage.
    """

    data: np.ndarray
    graph: dict[int, list[int]]
    roots: np.ndarray


@dataclass(frozen=True)
class Seen:
    """The tracks of an image at one moment.

    Attributes
    ----------
    rows
        Of the table.
    lines
        None without a time axis.
    n_alone
        Number of shown cells that are on no track.
    """

    rows: Rows
    lines: Lines | None
    n_alone: int


@dataclass(frozen=True)
class Form:
    """The axes of an image layer.

    Attributes
    ----------
    axes
        What they mean.
    numbers
        Their positions in the layer.
    n
        Number of the layer's axes.
    sizes
        Micrometres of a pixel and between slices; None where they are not known.
    """

    axes: Axes
    numbers: tuple[int, ...]
    n: int
    sizes: tuple[float | None, float | None] = (None, None)


def look(result: Result, form: Form, centres: Centres) -> Generator[Progress, None, Seen]:
    """Describe the tracks of a result that nobody changes meanwhile; for the worker thread."""
    alone = sum(not cell.track for cell in result)
    time, depth = form.axes.time, form.axes.depth
    if time is None:
        pixel, step = form.sizes
        rows = Rows((), (), ()) if depth is None else solid_rows(result, depth, pixel_um=pixel, slice_um=step)
        yield Progress(1, 1, "")
        return Seen(rows, None, alone)
    lineage = Lineage(result, time)
    yield Progress(0, 1, "")
    lines = yield from lines_of(lineage, form, centres)
    return Seen(track_rows(lineage), lines, alone)


def lines_of(lineage: Lineage, form: Form, centres: Centres) -> Generator[Progress, None, Lines]:
    """The lines of all tracks: one point for each frame, in the middle of the cells that a 3-D cell has there."""
    spots = [(track.id, lineage.way.at(spot.index), spot) for track in lineage for spot in track.spots]
    places = np.zeros((len(spots), form.n))
    areas = np.array([spot.cell.area for _, _, spot in spots], float)
    for n, (_, _, spot) in enumerate(spots):
        places[n, -2:] = _centre(spot.index, spot.cell, centres)
        if n % _STEP == 0:
            yield Progress(n, len(spots), "")
    if not spots:
        return Lines(np.zeros((0, 1 + form.n)), {}, np.zeros(0, int))
    places[:, list(form.numbers)] = [spot.index for _, _, spot in spots]
    keys = np.array([(track, at) for track, at, _ in spots])
    starts = np.flatnonzero(np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)])
    means = np.add.reduceat(places * areas[:, None], starts) / np.add.reduceat(areas, starts)[:, None]
    tracks = keys[starts, 0]
    first = form.numbers[lineage.way.axis]
    root = {track.id: lineage.root(track) for track in lineage}
    graph = {track.id: [track.parent] for track in lineage if track.parent}
    return Lines(np.column_stack([tracks, means[:, first:]]), graph, np.array([root[t] for t in tracks.tolist()]))


def _centre(index: Index, cell: Instance, centres: Centres) -> tuple[float, float]:
    known = centres.get((index, cell.id))
    if known is not None and known[0] is cell.mask and known[1:3] == (cell.y0, cell.x0):
        return known[3], known[4]
    y, x = centre(cell)
    centres[index, cell.id] = cell.mask, cell.y0, cell.x0, y, x
    return y, x


class Overview:
    """Describes one image after the other; what is asked for meanwhile comes next.

    Attributes
    ----------
    seen
        Emitted with `Seen`.
    """

    seen = Signal(object)

    def __init__(self) -> None:
        self.runner = Runner()
        self._centres: Centres = {}
        self._of: Result | None = None
        self._next: tuple[Result, Form] | None = None
        self._links = Connections()
        self._links.add(self.runner.ended, self._on_ended)

    def end(self) -> None:
        """The dock was closed."""
        self._links.end()
        self._next = None
        self.runner.cancel()

    def ask(self, result: Result, form: Form) -> None:
        """Describe a result as it is when its turn comes."""
        self._next = result, form
        if not self.runner.is_running:
            self._begin()

    def drop(self) -> None:
        """What was asked for is not of interest any more."""
        self._next = None
        self.runner.cancel()

    @property
    def is_busy(self) -> bool:
        """Whether more is to come."""
        return self._next is not None or self.runner.is_running

    def _begin(self) -> None:
        if self._next is None:
            return
        (result, form), self._next = self._next, None
        if result is not self._of:
            self._of, self._centres = result, {}
        self.runner.start("", look, only_shown(result), form, self._centres)

    def _on_ended(self, value: object) -> None:
        if isinstance(value, Seen) and not self.runner.cancelled:
            self.seen.emit(value)
        self._begin()
