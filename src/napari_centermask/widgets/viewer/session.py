"""State of a viewer that outlives its docks: results by image with their layers, and the run in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from napari.layers import Image
from napari.utils.notifications import show_info
from psygnal import Signal

from napari_centermask.core.errors import ReadOnlyProject
from napari_centermask.core.predictions import clear_predictions, has_predictions
from napari_centermask.core.result import Result
from napari_centermask.widgets.viewer.canvas import Canvas
from napari_centermask.widgets.viewer.run import ImageRun
from napari_centermask.widgets.viewer.shown import Correction, Shown, file_name, same_form
from napari_centermask.widgets.viewer.upkeep import Upkeep
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_centermask.core.history import History
    from napari_centermask.core.instances import Instances
    from napari_centermask.core.result import Index
    from napari_centermask.pipeline import Plane, PlaneCells
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.viewer.planes import ImagePlanes


class Session:
    """Results and the run of a viewer.

    Attributes
    ----------
    changed
        Emitted with the image layer whose result was created, replaced by a run, shown from another score on, or removed.
    settled
        Emitted with the image layer shortly after the last of a series of edits, when features and colours are updated.
    new_category
        Id of the category that was chosen last for new cells; 0 until one was.
    editing
        The active correction; None if there is none.
    canvas
        Adds and removes our layers.
    run, runner
        The run in progress, and the runner that executes it off the GUI thread.
    """

    changed = Signal(object)
    settled = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        self._shown: WeakKeyDictionary[Image, Shown] = WeakKeyDictionary()
        self.editing: Correction | None = None
        self.new_category = 0
        self.canvas = Canvas(viewer)
        self.run = ImageRun(self._take)
        self.runner = self.run.runner
        self._upkeep = Upkeep(
            lambda: self.viewer,
            lambda: list(self._shown.values()),
            lambda shown: self.settled.emit(shown.source()),
            lambda: self.canvas.is_taking_turns,
        )
        self.settle, self.compose_all, self.describe = (
            self._upkeep.settle,
            self._upkeep.compose_all,
            self._upkeep.describe,
        )
        self._links = Connections()
        self._links.add(viewer.layers.events.removed, self._on_removed)
        dims = viewer.dims.events
        for event in (dims.current_step, dims.order, dims.ndisplay):
            self._links.add(event, self._on_step)
        grid = getattr(viewer, "canvas", viewer).grid.events  # napari has it there from 0.9 on
        for event in (grid.enabled, grid.stride, grid.shape):
            self._links.add(event, self._on_places)

    @property
    def viewer(self) -> Viewer:
        """The viewer; the session does not keep it alive."""
        return self._viewer()

    def end(self) -> None:
        """The viewer was closed: stop the run and the timers, and apply what was painted."""
        self._links.end()
        self.run.end()
        for shown in list(self._shown.values()):
            if shown.edits is not None:
                shown.edits.flush()
        self._upkeep.end()
        self.canvas.end()

    def source_of(self, result: Result) -> Image | None:
        """The image that a result belongs to; None if it is not shown here."""
        return next((source for source, shown in self._shown.items() if shown.result is result), None)

    def image_of(self, layer: Layer) -> Layer | None:
        """The image that a layer shows, or whose cells it shows; None for other layers, and while we add one.

        napari makes a layer that is added the active one, which nobody chose: the cells of a run on another image.
        """
        if self.canvas.is_adding:
            return None
        if isinstance(layer, Image):
            return layer
        for source, shown in self._shown.items():
            own = shown.own_layers + ([] if shown.edits is None else shown.edits.layers)
            if any(layer is one for one in own):
                return source
        return None

    def cell_layers(self, source: Image) -> list[Layer]:
        """The layers that show the cells of an image, as far as they exist."""
        shown = self.shown(source)
        return [] if shown is None else shown.own_layers

    def result(self, source: Image | None) -> Result | None:
        """The image's result; None if it has none."""
        shown = self.shown(source)
        return None if shown is None else shown.result

    def shown(self, source: Image | None) -> Shown | None:
        """The image's result with its layers; None if it has none."""
        return None if source is None else self._shown.get(source)

    def begin(self, source: Image, planes: ImagePlanes, *, threshold: float, keep: bool = False) -> Shown:
        """The result that a run on an image fills: the present one if shape and axes match, else a new one.

        A new one replaces the present one when its first plane is added.

        Parameters
        ----------
        keep
            Whether to keep the present score threshold, because the run only covers a part of the image.

        Raises
        ------
        BadImage
            If the image belongs to a project and its cells have other axes.
        """
        shown = self.shown(source)
        if shown is not None and shown.in_project:
            shown.check_axes(planes)
        if shown is not None and (shown.in_project or same_form(shown.planes, planes)):
            if not keep or not has_predictions(shown.result):
                self.set_threshold(source, threshold)
            return shown
        result = Result(planes.shape, leading=planes.leading, threshold=threshold, name=file_name(source))
        return Shown(self.viewer, source, planes, result, make=self.canvas.labels)

    def attach(
        self,
        source: Image,
        planes: ImagePlanes,
        result: Result | None = None,
        history: History | None = None,
        *,
        in_project: bool = False,
    ) -> Shown:
        """Give an image a result, with its history if it has one; it replaces another one.

        Parameters
        ----------
        in_project
            Whether a project writes every edit.

        Raises
        ------
        ValueError
            If the result has another shape than the image.
        """
        if result is None:
            result = Result(planes.shape, leading=planes.leading, name=file_name(source))
        shown = Shown(self.viewer, source, planes, result, history, in_project=in_project, make=self.canvas.labels)
        shown.layers.behind.update(result.planes)
        self._upkeep.compose_current(shown)
        self._upkeep.describe(shown)
        self._show(source, shown)
        self._upkeep.compose_rest()
        self.changed.emit(source)
        return shown

    def segment(
        self, source: Image, planes: ImagePlanes, chosen: list[Plane], settings: SegmentSettings, *, keep: bool = False
    ) -> None:
        """Start a run; its cells are added to this image whatever is selected meanwhile.

        Parameters
        ----------
        chosen
            The planes to segment.
        keep
            As in `begin`.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        ReadOnlyProject
            If the cells could not be kept.
        """
        before = self.shown(source)
        if before is not None and before.history.closed:
            raise ReadOnlyProject(before.history.closed)
        shown = self.begin(source, planes, threshold=settings.score, keep=keep)
        self.run.segment(shown, chosen, settings, name=source.name)

    def _take(self, shown: Shown, done: PlaneCells) -> None:
        shown.add_seams(done.plane.index, done.seams, replace=done.plane.region is None)
        self.put(shown, done.plane.index, done.cells, region=done.plane.region)

    def put(
        self, shown: Shown, index: Index, cells: Instances, *, region: tuple[np.ndarray, ...] | None = None
    ) -> None:
        """Add a plane's predictions to a result and show them; they replace a result with other axes.

        Cells that were accepted, corrected or rejected stay. This is an edit, which can be undone.
        """
        source = shown.source()
        if source is None or source not in self.viewer.layers:
            return
        shown.put_predictions(index, cells, region=region)
        self._upkeep.describe(shown)
        self._show(source, shown)
        shown.layers.refresh()
        self.changed.emit(source)

    def _show(self, source: Image, shown: Shown) -> None:
        """Put the layers into the viewer, right above their image, in place of an earlier result's."""
        before = self._shown.get(source)
        if before is not None and before is not shown:
            shown.copy_look(before)
            before.end()
            self._upkeep.forget(before)
            for layer in before.own_layers:
                self.canvas.take_out(layer)
        if before is not shown:
            self._shown[source] = shown
            shown.edited.connect(lambda _: self._on_edited(shown))
        add = self.canvas.add_soon if self.canvas.is_entering else self.canvas.add
        for layer in (shown.layers.cells, shown.layers.outlines):
            add(source, layer)

    def show_again(self, shown: Shown) -> None:
        """Add the layers of a result to the viewer again, if that of the cells was deleted."""
        source = shown.source()
        layers = self.viewer.layers
        if source in layers and shown.layers.cells not in layers:
            self._show(source, shown)
            if shown.edits is not None and shown.edits.layer in layers:  # what is painted lies on top
                layers.move(layers.index(shown.edits.layer), len(layers))

    def show_above(self, shown: Shown, layer: Layer, *, soon: bool = False) -> None:
        """Show a layer of the correction above a result's layers, or soon; the selection of layers stays."""
        (self.canvas.add_soon if soon else self.canvas.add)(shown.source(), layer)

    def _on_edited(self, shown: Shown) -> None:
        """What changes is seen: cells whose layer was deleted are shown again."""
        if self.shown(shown.source()) is shown and not self.canvas.is_losing_layers:
            self.show_again(shown)
        self._upkeep.compose_rest()
        self._upkeep.settle_soon(shown)

    def forget(self, source: Image) -> None:
        """Remove an image's result, and soon its layers."""
        shown = self._shown.pop(source, None)
        if shown is not None:
            shown.end()
            self._upkeep.forget(shown)
            for role, layer in zip(("cells", "outlines"), shown.own_layers, strict=False):
                self.canvas.take_out_soon(layer, role=role)
            self.changed.emit(source)

    def set_threshold(self, source: Image, threshold: float) -> None:
        """Set the lowest score of shown cells: updates the current plane now, and the others as time allows."""
        target = self.run.target
        if target is not None and target.source() is source:
            target.result.threshold = threshold
        shown = self._shown.get(source)
        if shown is not None and (threshold != shown.result.threshold or shown is target):
            shown.result.threshold = threshold
            self._compose(shown)

    def clear_predictions(self, source: Image | None) -> None:
        """Remove the predicted cells of an image, as one edit; decided cells and drafts stay."""
        shown = self.shown(source)
        if shown is None:
            return
        if shown.edits is not None:
            shown.edits.flush()
        if changes := clear_predictions(shown.result):
            shown.history.do("clear predictions", changes)
            self.changed.emit(source)

    def set_look(self, source: Image, *, colours: str, own_outlines: bool, hatch: bool) -> None:
        """Choose how the cells of an image are drawn; see `ResultLayers.set_look`."""
        shown = self._shown[source]
        if shown.layers.set_look(colours=colours, own_outlines=own_outlines, hatch=hatch):
            self._compose(shown)

    def _compose(self, shown: Shown) -> None:
        self._upkeep.compose(shown)
        self.changed.emit(shown.source())

    def _on_step(self) -> None:
        for shown in self._shown.values():
            self._upkeep.compose_current(shown)
        if self.editing is not None:
            self.editing.follow_view()

    def _on_places(self) -> None:
        """The layers are elsewhere on the canvas now: a stroke ends where it began."""
        if self.editing is not None:
            self.editing.finish()

    def _on_removed(self, event: Event) -> None:
        """Handle deleted layers: deleting the image or the cells ends the result, deleting the outlines hides them."""
        if self.canvas.is_taking_out:
            return
        removed: Layer = event.value
        self.run.stop_for(removed)
        for source, shown in list(self._shown.items()):
            if removed is source:
                shown.end()
                del self._shown[source]
                if shown.in_project:  # otherwise the layers stay, with the cells in their metadata, to be saved
                    for role, layer in zip(("cells", "outlines"), shown.own_layers, strict=False):
                        self.canvas.take_out_soon(layer, role=role)
                self.changed.emit(source)
            elif shown.edits is not None and removed is shown.edits.layer:
                shown.edits.deactivate()
            elif removed in shown.own_layers[:1]:
                self._on_cells_removed(source, shown)

    def _on_cells_removed(self, source: Image, shown: Shown) -> None:
        """Keep the cells of a project's image when their layer is deleted."""
        if not shown.in_project:
            self.forget(source)
            return
        text = f"The cells of '{source.name}' are still in the project. Correct one to show them again."

        def explain() -> None:
            if source in self.viewer.layers and shown.layers.cells not in self.viewer.layers:
                show_info(text)

        self.canvas.when_quiet(explain)
