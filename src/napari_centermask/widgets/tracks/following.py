"""Tracking and joining of an image's cells, off the GUI thread; the result is one edit at the end."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING
from weakref import ref

from psygnal import Signal

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.core.tracks import Way, assigned
from napari_centermask.io.formats.loss import only_shown
from napari_centermask.pipeline.tracking import Joined, Tracked, join_slices, track_cells
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, answer_for

if TYPE_CHECKING:
    from napari_centermask.core.result import Result
    from napari_centermask.pipeline.progress import Progress
    from napari_centermask.settings import StitchSettings, TrackSettings
    from napari_centermask.widgets.edit.session import EditSession

_CHANGED = "The cells have changed in the meantime, so nothing was tracked. Start again."


def track(result: Result, settings: TrackSettings, way: Way) -> Generator[Progress, None, Tracked | Failed]:
    """Follow the cells of a result that nobody changes meanwhile; for the worker thread."""
    return (yield from answer_for(track_cells(result, settings, way=way), who="Tracking", then="Close other programs."))


def join(result: Result, settings: StitchSettings, way: Way) -> Generator[Progress, None, Joined | Failed]:
    """Join the slices of a result that nobody changes meanwhile; for the worker thread."""
    return (yield from answer_for(join_slices(result, settings, way=way), who="Joining", then="Close other programs."))


class Following:
    """Runs one tracking at a time, and applies it.

    Attributes
    ----------
    changed
        Emitted when a run starts or ends.
    advanced
        Emitted with the part that is done and what goes on.
    reported
        Emitted with what came out.
    """

    changed = Signal()
    advanced = Signal(float, str)
    reported = Signal(str)

    def __init__(self) -> None:
        self.runner = Runner()
        self._edits: ref[EditSession] | None = None
        self._was_edited = False
        self._links = Connections()
        self._run_links = Connections()
        self._links.add(self.runner.advanced, lambda step: self.advanced.emit(step.part, step.message))
        self._links.add(self.runner.ended, self._on_ended)

    def end(self) -> None:
        """The dock was closed: stop without a report."""
        self._links.end()
        self._run_links.end()
        self.runner.cancel()

    def track(self, edits: EditSession, settings: TrackSettings, way: Way) -> None:
        """Follow the cells of an image through time."""
        self._watch(edits)
        self.runner.start("CenterMask: tracking", track, only_shown(edits.result), settings, way)
        self.changed.emit()

    def join(self, edits: EditSession, settings: StitchSettings, way: Way) -> None:
        """Join the slices of an image."""
        self._watch(edits)
        self.runner.start("CenterMask: joining slices", join, only_shown(edits.result), settings, way)
        self.changed.emit()

    def _watch(self, edits: EditSession) -> None:
        edits.finish()
        self._edits, self._was_edited = ref(edits), False
        self._run_links.end()
        self._run_links.add(edits.edited, self._on_edited)

    def _on_edited(self) -> None:
        self._was_edited = True

    def _on_ended(self, value: object) -> None:
        self._run_links.end()
        edits = None if self._edits is None else self._edits()
        text = "Cancelled; the tracks are as they were." if self.runner.cancelled else "Stopped by an error."
        if isinstance(value, Tracked | Joined) and edits is not None:
            try:
                text = self._apply(edits, value)
            except UserError as error:  # a project that is read-only
                value = Failed.of(error)
        if isinstance(value, Failed):
            text = value.message
            notify(text, value.page)
        self.reported.emit(text)
        self.changed.emit()

    def _apply(self, edits: EditSession, found: Tracked | Joined) -> str:
        """Change the cells; returns the report."""
        edits.finish()
        source = edits.source
        if self._was_edited or source is None or edits.session.shown(source) is not edits.shown:
            return _CHANGED
        if isinstance(found, Joined):
            edits.history.do("joining of slices", assigned(edits.result, found.tracks))
            gaps = f"; {counted(found.n_gaps, 'missing slice')} passed over" if found.n_gaps else ""
            return f"{counted(found.n_cells, '3-D cell')}{gaps}."
        edits.history.do("tracking", assigned(edits.result, found.tracks))
        divisions, gaps = counted(found.n_divisions, "division"), counted(found.n_gaps, "gap")
        return (
            f"{counted(found.n_tracks, 'track')}, {divisions}, {gaps} closed (largest motion {found.farthest:.0f} px)."
        )
