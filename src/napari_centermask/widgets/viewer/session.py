"""What belongs to a viewer and outlives its docks: results by image, their layers, and the run in progress."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from napari.utils.notifications import show_error, show_warning
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_centermask.core.history import History
from napari_centermask.core.instances import Instances
from napari_centermask.core.predictions import has_predictions, replace_predictions
from napari_centermask.core.result import Result
from napari_centermask.core.viability import renamed
from napari_centermask.widgets.viewer.gl_programs import KeptPrograms
from napari_centermask.widgets.viewer.layers import ResultLayers, place_of
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.view import current_index, shows_planes
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, Finished, run

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_centermask.core.history import Edit
    from napari_centermask.core.result import Index
    from napari_centermask.pipeline import Plane, PlaneCells
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.edit.session import EditSession

Then = Callable[[Any], str]
_SETTLE_MS = 400
_SESSIONS: WeakKeyDictionary[Viewer, Session] = WeakKeyDictionary()


def session_of(viewer: Viewer) -> Session:
    """The viewer's session, made on first use."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # plugins are handed a proxy
    if viewer not in _SESSIONS:
        from napari_centermask.widgets.viewer.autosave import autosaves_of

        _SESSIONS[viewer] = Session(viewer)
        autosaves_of(_SESSIONS[viewer])
    return _SESSIONS[viewer]


class Shown:
    """A result with its history, the image it belongs to, and its layers, which follow every edit.

    Attributes
    ----------
    edited
        Emitted with every edit after the layers have followed; an undo comes as the inverse edit.
    edits
        Who corrects the cells; see `edit_session.edit_session_of`.
    stale
        Planes that the layers do not show as they are.
    settings
        Of the last run on the image; None before.
    diameter
        Of a typical cell, in pixels, in the last run; None before.
    """

    edited = Signal(object)

    def __init__(
        self, viewer: Viewer, source: Image, planes: ImagePlanes, result: Result, history: History | None = None
    ) -> None:
        self._viewer, self.source = ref(viewer), ref(source)
        self.planes, self.result = planes, result
        self.history = History(result) if history is None else history
        self.edits: EditSession | None = None
        self.stale: set[Index] = set()
        self.settings: SegmentSettings | None = None
        self.diameter: float | None = None
        self.history.listen(self._on_edit)

    def close(self) -> None:
        """Do not follow the history any more."""
        if self.edits is not None:
            self.edits.deactivate()
        self.history.ignore(self._on_edit)

    def plane_in_view(self) -> Index | None:
        """The plane that the viewer shows as it is; None for a volume or a section across planes."""
        viewer, source = self._viewer(), self.source()
        flat = viewer is not None and source is not None and shows_planes(viewer, source)
        return current_index(viewer, source, self.planes) if flat else None

    def _on_edit(self, edit: Edit) -> None:
        if "layers" in self.__dict__:
            self.layers.follow(edit, shown=self.plane_in_view())
        self.edited.emit(edit)

    @cached_property
    def layers(self) -> ResultLayers:
        """Made when the first cells come: by then the worker has loaded what a label layer needs."""
        source = self.source()
        return ResultLayers(self.result, self.planes, name=source.name, place=place_of(source))


class Session:
    """Results and the run of one viewer.

    Attributes
    ----------
    changed
        Emitted with the image layer whose result was made, replaced by a run, shown from another score on, or forgotten.
    settled
        Emitted with the image layer shortly after the last of a series of edits; features and colours follow then.
    editing
        The correction that goes on, None if there is none.
    reported
        Emitted with a sentence on how the last run ended.
    runner
        Runs one job at a time off the GUI thread.
    """

    changed = Signal(object)
    settled = Signal(object)
    reported = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        self._shown: WeakKeyDictionary[Image, Shown] = WeakKeyDictionary()
        self.runner = Runner()
        self._running: Shown | None = None
        self._then: Then | None = None
        self._own_removal = False
        self.editing: EditSession | None = None
        self._unsettled: set[Shown] = set()
        self._timer = _timer(0, self._compose_next)
        self._settling = _timer(_SETTLE_MS, self.settle)
        self._settling.setSingleShot(True)
        self.runner.ended.connect(self._on_ended)
        self._programs = KeptPrograms(viewer)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.dims.events.order.connect(self._on_step)
        viewer.dims.events.ndisplay.connect(self._on_step)

    @property
    def viewer(self) -> Viewer:
        """The viewer; the session does not keep it alive."""
        return self._viewer()

    def result(self, source: Image | None) -> Result | None:
        """The image's result, None if it has none."""
        shown = self.shown(source)
        return shown and shown.result

    def shown(self, source: Image | None) -> Shown | None:
        """The image's result with its layers, None if it has none."""
        return None if source is None else self._shown.get(source)

    def begin(self, source: Image, planes: ImagePlanes, *, threshold: float, keep: bool = False) -> Shown:
        """The result that a run on an image fills: its present one if that is of the same form, else a new one.

        A new one replaces the present one when its first plane comes.

        Parameters
        ----------
        keep
            The run covers a part of the image: its cells are shown from the present score on, if there are others.
        """
        shown = self.shown(source)
        if shown is not None and _same_form(shown.planes, planes):
            if not keep or not has_predictions(shown.result):
                self.set_threshold(source, threshold)
            return shown
        result = Result(planes.shape, leading=planes.leading, threshold=threshold, name=file_name(source))
        return Shown(self.viewer, source, planes, result)

    def attach(
        self, source: Image, planes: ImagePlanes, result: Result | None = None, history: History | None = None
    ) -> Shown:
        """Give an image a result from outside, with its history if it has one; shows it in place of another.

        Raises
        ------
        ValueError
            If the result is not of the image's shape.
        """
        if result is None:
            result = Result(planes.shape, leading=planes.leading, name=file_name(source))
        if (result.shape, result.leading) != (planes.shape, planes.leading):
            expected, given = (*planes.leading, *planes.shape), (*result.leading, *result.shape)
            raise ValueError(f"Expected a result for an image of {expected}, got one for {given}.")
        shown = Shown(self.viewer, source, planes, result, history)
        shown.stale = set(result.planes)
        self._compose_current(shown)
        shown.layers.describe()
        self._show(source, shown)
        if shown.stale:
            self._timer.start()
        self.changed.emit(source)
        return shown

    def segment(
        self, source: Image, planes: ImagePlanes, chosen: list[Plane], settings: SegmentSettings, *, keep: bool = False
    ) -> None:
        """Start a run; its cells go to this image whatever is selected meanwhile.

        Parameters
        ----------
        chosen
            What to segment of it.
        keep
            As in `begin`.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        """
        shown = self.begin(source, planes, threshold=settings.score, keep=keep)
        shown.settings, shown.diameter = settings, settings.diameter
        self.runner.start(
            f"CenterMask: {source.name}",
            run,
            chosen,
            settings,
            on_yield=lambda done: self._take(shown, done),
        )
        self._running = shown

    def _take(self, shown: Shown, done: PlaneCells) -> None:
        seams, index, region = shown.result.seams, done.plane.index, done.plane.region
        before = ((), ()) if region is None else seams.get(index, ((), ()))
        seams[index] = tuple(tuple(sorted({*a, *b})) for a, b in zip(before, done.seams, strict=True))
        self.put(shown, index, done.cells, region=region)

    def ask(
        self,
        title: str,
        work: Callable[..., Generator[Any, None, Any]],
        planes: list[Plane],
        settings: SegmentSettings,
        then: Then,
    ) -> None:
        """Let the model answer something about planes off the GUI thread; `then` takes it and says what to report."""
        self._then = then
        self.runner.start(f"CenterMask: {title}", work, planes, settings)

    def _on_ended(self, value: Any) -> None:
        shown, self._running = self._running, None
        then, self._then = self._then, None
        if isinstance(value, Failed):
            show_error(value.message)
            self.reported.emit(value.message)
        elif isinstance(value, Finished):
            if value.left_out:
                n = len(value.left_out)
                show_warning(f"{n} of {value.n_planes} planes were left out. Plane {value.left_out[0]}")
            shown.diameter = value.diameter
            self.reported.emit(_summary(shown.result, value))
        elif value is not None and then is not None:
            self.reported.emit(then(value))
        else:
            self.reported.emit("Cancelled." if self.runner.cancelled else "Stopped by an error.")

    def put(
        self, shown: Shown, index: Index, cells: Instances, *, region: tuple[np.ndarray, ...] | None = None
    ) -> None:
        """Take a plane's predictions into a result and show them; an earlier result of another form gives way.

        Cells that a person accepted, corrected or rejected stay. It is an edit like any other: it can be undone.
        """
        source = shown.source()
        if source is None or source not in self.viewer.layers:
            return
        if shown.edits is not None:
            shown.edits.flush()
        here = shown.result.join_categories(index, cells.categories)
        if set(here.items()) != {(c, c) for c in shown.result.categories}:
            named = (renamed(i, here, cells.categories, shown.result.categories) for i in cells)
            cells = Instances(cells.shape, named, categories=shown.result.categories)
        where = f" of plane {', '.join(map(str, index))}" if index else ""
        changes = replace_predictions(shown.result, index, cells, region=region)
        layers = shown.layers  # made by now, so that they follow
        if shown.history.do(f"segmentation{where}", changes) is None:
            layers.compose(index)
        self._describe(shown)
        self._show(source, shown)
        shown.layers.refresh()
        self.changed.emit(source)

    def _show(self, source: Image, shown: Shown) -> None:
        """Put the layers into the viewer, right above their image, in place of an earlier result's."""
        before = self._shown.get(source)
        if before is not None and before is not shown:
            _copy_look(before.layers, shown.layers)
            before.close()
            self._remove(before)
        if before is not shown:
            self._shown[source] = shown
            shown.edited.connect(lambda _: self._unsettle(shown))
        for layer in (shown.layers.cells, shown.layers.outlines):
            if layer not in self.viewer.layers:
                self._add(source, layer)

    def _add(self, source: Image, layer: Layer) -> None:
        layers = self.viewer.layers
        active = layers.selection.active
        self.viewer.add_layer(layer)
        layers.selection.active = active if active in layers else source

    def show_above(self, shown: Shown, layer: Layer) -> None:
        """Show a layer of the correction above a result's layers; the selection of layers stays."""
        if layer not in self.viewer.layers:
            self._add(shown.source(), layer)

    def take_out(self, layer: Layer) -> None:
        """Remove a layer of ours; that it goes has no consequences."""
        self._own_removal = True
        try:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        finally:
            self._own_removal = False

    def _remove(self, shown: Shown) -> None:
        for layer in (shown.layers.cells, shown.layers.outlines):
            self.take_out(layer)

    def _unsettle(self, shown: Shown) -> None:
        self._unsettled.add(shown)
        self._settling.start(_SETTLE_MS)

    def settle(self) -> None:
        """Bring features and colours in line with the edits now; otherwise it happens shortly after the last edit."""
        self._settling.stop()
        for shown in list(self._unsettled):
            self._describe(shown, edits_only=True)
            if shown.source() is not None:
                self.settled.emit(shown.source())

    def _describe(self, shown: Shown, *, edits_only: bool = False) -> None:
        shown.layers.describe(edits_only=edits_only)
        self._unsettled.discard(shown)
        if not self._unsettled:
            self._settling.stop()

    def forget(self, source: Image) -> None:
        """Drop an image's result and its layers."""
        shown = self._shown.pop(source, None)
        if shown is not None:
            shown.close()
            self._unsettled.discard(shown)
            self._remove(shown)
            self.changed.emit(source)

    def set_threshold(self, source: Image, threshold: float) -> None:
        """Show the cells from this score on: the plane in view now, the others as time allows."""
        if self._running is not None and self._running.source() is source:
            self._running.result.threshold = threshold
        shown = self._shown.get(source)
        if shown is not None and (threshold != shown.result.threshold or shown is self._running):
            shown.result.threshold = threshold
            self._recompose(shown)

    def set_hatch(self, source: Image, hatch: bool) -> None:
        """Hatch overlaps, or not."""
        shown = self._shown[source]
        if hatch != shown.layers.hatch:
            shown.layers.set_hatch(hatch)
            self._recompose(shown)

    def _recompose(self, shown: Shown) -> None:
        shown.stale = set(shown.result.planes)
        self._compose_current(shown)
        if shown.stale:
            self._timer.start()
        self.changed.emit(shown.source())

    def _compose_current(self, shown: Shown) -> None:
        index = current_index(self.viewer, shown.source(), shown.planes)
        if index in shown.stale:
            shown.layers.compose(index)
            shown.layers.refresh()
            shown.stale.discard(index)

    def _compose_next(self) -> None:
        """Compose one stale plane; the timer calls until none is left."""
        shown = next((s for s in self._shown.values() if s.stale), None)
        if shown is None:
            self._timer.stop()
            return
        shown.layers.compose(shown.stale.pop())

    def compose_all(self) -> None:
        """Compose all stale planes now, for instance before layers are saved."""
        while any(s.stale for s in self._shown.values()):
            self._compose_next()
        self._timer.stop()

    def _on_step(self) -> None:
        for shown in self._shown.values():
            if shown.stale and shown.source() is not None:
                self._compose_current(shown)
        if self.editing is not None:
            self.editing.follow_view()

    def _on_removed(self, event: Any) -> None:
        """Follow the user's deletions: of the image or the cells ends the result, of the outlines hides them."""
        if self._own_removal:
            return
        removed: Layer = event.value
        if self._running is not None and removed is self._running.source():
            self.runner.cancel()
            show_warning(f"'{removed.name}' was removed while it was segmented; the run was stopped.")
        for source, shown in list(self._shown.items()):
            if removed is shown.layers.cells:
                self.forget(source)
            elif shown.edits is not None and removed is shown.edits.active.layer:
                shown.edits.deactivate()
            elif removed is source:
                # The layers stay, with the truth in their metadata: they are the user's now and can be saved.
                shown.close()
                del self._shown[source]
                self.changed.emit(source)


def _timer(interval_ms: int, slot: Callable[[], None]) -> QTimer:
    timer = QTimer()
    timer.setInterval(interval_ms)
    timer.timeout.connect(slot)
    return timer


def file_name(source: Image) -> str:
    """The name of an image: its file's where it has one."""
    return Path(source.source.path).name if source.source.path else source.name


def _same_form(a: ImagePlanes, b: ImagePlanes) -> bool:
    """Whether these are the same planes of the same array; lazy wrappers of one array have one name."""
    named = getattr(a.array, "name", None) is not None and getattr(a.array, "name", "") == getattr(
        b.array, "name", None
    )
    return a.axes == b.axes and a.channel_axis == b.channel_axis and (a.array is b.array or named)


def _summary(result: Result, end: Finished) -> str:
    n = result.n_visible()
    return (
        f"{n:,} {'cell' if n == 1 else 'cells'} in {end.seconds:.1f} s "
        f"(diameter {end.diameter:.0f} px, {end.engine} on {end.device})."
    )


def _copy_look(before: ResultLayers, after: ResultLayers) -> None:
    """Keep what the user set on the earlier layers."""
    for name in ("cells", "outlines"):
        old, new = getattr(before, name), getattr(after, name)
        new.opacity, new.visible, new.blending = old.opacity, old.visible, old.blending
