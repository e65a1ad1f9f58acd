"""What the tracks dock shows and offers: a pure function of its state, without Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_centermask.core.tracks import Way
from napari_centermask.widgets.edit.allowed import NO_CELLS, NOT_FLAT
from napari_centermask.widgets.parts.control import Control, control

_SINGLE = "This is a single image. Open all its frames or slices as one image."
_ONE_PLANE = "Only one {unit} has cells. Segment all {unit}s first: 'All planes' in Segment."
_RUNNING = "A run is in progress. Cancel it or wait."


@dataclass(frozen=True)
class Axes:
    """What the axes before height and width mean.

    Attributes
    ----------
    time, depth
        Along which to follow cells, and to join slices; None if the image has no such axis.
    """

    time: Way | None = None
    depth: Way | None = None


def choices(n: int) -> list[tuple[str, str]]:
    """What n axes may mean: a letter for each, t or z, and a title."""
    return {
        1: [("t", "Time"), ("z", "Depth (z slices)")],
        2: [("tz", "Time, then depth"), ("zt", "Depth, then time")],
    }.get(n, [])


def guess(names: tuple[str, ...]) -> str:
    """The letters of axes with these names; the usual ones where the names do not say it."""
    letters = "".join("z" if name.lower().startswith(("z", "depth", "slice")) else "t" for name in names)
    return {"tt": "tz", "zz": "tz"}.get(letters, letters)


def axes_of(letters: str) -> Axes:
    """The ways along axes with these letters."""
    time, depth = letters.find("t"), letters.find("z")
    return Axes(Way(time) if time >= 0 else None, Way(depth, is_depth=True) if depth >= 0 else None)


@dataclass(frozen=True)
class DockState:
    """All that the dock's buttons and texts depend on.

    Attributes
    ----------
    axes
        Of the image.
    n_frames, n_slices
        Numbers of frames and of slices that have cells.
    n_cells, n_tracks
        Numbers of shown cells, and of tracks.
    closed
        Why nothing can be changed; empty if it can.
    is_running
        Whether cells are being followed.
    is_flat
        Whether planes are shown in 2D.
    is_exporting
        Whether a file is being written.
    """

    axes: Axes = Axes()
    n_frames: int = 0
    n_slices: int = 0
    n_cells: int = 0
    n_tracks: int = 0
    closed: str = ""
    is_running: bool = False
    is_flat: bool = True
    is_exporting: bool = False


@dataclass(frozen=True)
class Controls:
    """The buttons of the dock.

    Attributes
    ----------
    follow, join
        Track through time, and join slices.
    link, cut, divide
        Tools for clicks.
    """

    follow: Control
    join: Control
    cancel: Control
    link: Control
    cut: Control
    divide: Control
    clear: Control
    export: Control


def controls(state: DockState) -> Controls:
    """What the dock offers in a state."""
    axes = state.axes
    single = "" if axes.time or axes.depth else _SINGLE
    nothing = "" if state.n_cells else NO_CELLS
    running = _RUNNING if state.is_running else ""
    few_frames = _ONE_PLANE.format(unit="frame") if state.n_frames < 2 else ""
    few_slices = _ONE_PLANE.format(unit="slice") if state.n_slices < 2 else ""
    tool = single, nothing, running, state.closed, "" if state.is_flat else NOT_FLAT
    saving = "A file is being saved." if state.is_exporting else ""
    no_tracks = "" if state.n_tracks else "No cell is on a track yet."
    no_time = "" if axes.time else "Cells divide in time, and this image has no time axis."
    return Controls(
        follow=control(
            "Find which cells of neighbouring frames are one, as one edit, which can be undone.",
            *(single, nothing, running, state.closed, few_frames),
        ),
        join=control(
            "Find which cells of neighbouring slices are one 3-D cell, as one edit, which can be undone.",
            *(single, nothing, running, state.closed, few_slices),
        ),
        cancel=control("Stop; the tracks stay as they are.", "" if state.is_running else "Nothing is running."),
        link=control("Click a cell, then the same cell in another frame. Esc ends.", *tool),
        cut=control("Click the cell that begins a track of its own. Esc ends.", *tool, no_tracks),
        divide=control("Click the mother, then her daughters in a later frame. Esc ends.", *tool, no_time),
        clear=control("Take all cells off their tracks, as one edit.", no_tracks, running, state.closed),
        export=control("Save tracks as a table or for the Cell Tracking Challenge.", no_tracks, running, saving),
    )
