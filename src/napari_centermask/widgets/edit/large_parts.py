"""Correct what is in view of a large image, whose cells are lazy layers: as an image of its own that is put back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from napari.utils.notifications import show_info
from psygnal import Signal

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.widgets.edit.allowed import NOT_FLAT, PartState
from napari_centermask.widgets.edit.part_layer import image_of, look_at, part_layer
from napari_centermask.widgets.edit.part_work import PutBack, Taken, put, take
from napari_centermask.widgets.segment.scope import view_of
from napari_centermask.widgets.viewer.large_reader import LABEL, LARGE
from napari_centermask.widgets.viewer.planes import CHANNEL_AXIS, ImagePlanes
from napari_centermask.widgets.viewer.state import note_saved, state_of
from napari_centermask.widgets.viewer.view import camera_box, current_index, shows_planes
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_centermask.io.large_part import LargeCorrection
    from napari_centermask.widgets.viewer.samples import LayerData
    from napari_centermask.widgets.viewer.shown import Shown

MOST_IN_VIEW = 16_000_000
"""Pixels in view that are taken out: a choice, 4,000 x 4,000, which take some 300 MB with the layers that show their cells."""
_CLOSED = "This part is being put back. Wait until that is done."


def parts_of(viewer: Viewer) -> LargeParts:
    """The parts of large images in a viewer, made on first use."""
    state = state_of(viewer)
    return state.part(LargeParts, lambda: LargeParts(viewer))


class LargeParts:
    """Takes out one part at a time, and puts it back.

    Attributes
    ----------
    changed
        Emitted when a part was taken out, put back or left, when lazy layers come or go, and when the view becomes another one.
    runner
        Reads and writes off the GUI thread.
    image
        The image layer of the part that is out; None if none is.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        self._session = state_of(viewer).session
        self.runner = Runner()
        self.image: Image | None = None
        self._taken: Taken | None = None
        self._shown: Shown | None = None
        self._held: list[LargeCorrection] = []
        self._from: tuple[Labels, Image | None] | None = None
        self._links = Connections()
        self._links.add(self.runner.ended, self._on_ended)
        self._links.add(self._session.changed, self._on_result_changed)
        self._links.add(viewer.layers.events.removed, self._on_removed)
        for event in (viewer.layers.events.inserted, viewer.dims.events.ndisplay, viewer.dims.events.order):
            self._links.add(event, self._on_view)

    def end(self) -> None:
        """The viewer was closed: what was not put back is kept."""
        self._links.end()
        self.runner.cancel()
        self._let_go()

    def _on_view(self) -> None:
        self.changed.emit()

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for correction in held:
            correction.end()
        self.image = self._taken = self._shown = None

    @property
    def large(self) -> Labels | None:
        """The layer of a large image's cells to correct: the selected one, or else the top-most one in sight."""
        layers = [
            x for x in reversed(list(self._session.viewer.layers)) if isinstance(x, Labels) and LARGE in x.metadata
        ]
        active = self._session.viewer.layers.selection.active
        return active if active in layers else next((x for x in layers if x.visible), next(iter(layers), None))

    @property
    def state(self) -> PartState:
        """What the buttons depend on."""
        large, shown = self.large, self._shown
        return PartState(
            "" if large is None else Path(large.metadata[LARGE]).name,
            large is None or shows_planes(self._session.viewer, large),
            self.image is not None,
            self.runner.is_running,
            shown is not None and shown.history.undo_name is not None,
        )

    def start(self) -> None:
        """Take out what is in view.

        Raises
        ------
        BadImage, BadSettings
            If there is no such layer, nothing or too much of it is in view, or another part is out.
        """
        large = self.large
        if large is None:
            raise BadSettings("Open the cells of a large image first, NAME_cells.ome.zarr that `segment` wrote.")
        if self.image is not None or self.runner.is_running:
            raise BadSettings("A part of a large image is being corrected. Put it back or discard it first.")
        viewer = self._session.viewer
        if not shows_planes(viewer, large):
            raise BadImage(NOT_FLAT)
        planes = ImagePlanes(large.data[0] if large.multiscale else large.data)
        corners, (first, last) = view_of(large, planes), camera_box(viewer, large)
        y0, x0 = np.floor(np.maximum(corners.min(axis=0), first)).astype(int)
        y1, x1 = np.ceil(np.minimum(corners.max(axis=0), last + 1)).astype(int)
        if (y1 - y0) * (x1 - x0) > MOST_IN_VIEW:
            raise BadImage(
                f"{(y1 - y0) * (x1 - x0) / 1e6:,.0f} megapixels are in view. Zoom in until at most "
                f"{MOST_IN_VIEW / 1e6:.0f} megapixels are, then try again."
            )
        box, index = (int(y0), int(x0), int(y1), int(x1)), current_index(viewer, large, planes)
        image, pixels = image_of(viewer.layers, large, planes) or (None, None)
        self._from = large, image
        path = Path(large.metadata[LARGE])
        self.runner.start(f"CenterMask: reading {path.name}", take, path, box, index, pixels, self._held)
        self.changed.emit()

    def put_back(self) -> None:
        """Write the part that is out to the large image's cells.

        Raises
        ------
        BadSettings
            If a run has replaced its cells by those of other axes.
        """
        shown, taken = self._shown, self._taken
        if shown is None or taken is None or self.runner.is_running:
            return
        if self._session.shown(self.image) is not shown:
            raise BadSettings("This part was segmented with another channel axis. Discard it, and take it out again.")
        if shown.edits is not None:
            shown.edits.finish()
        shown.history.closed = _CLOSED
        self.runner.start(
            f"CenterMask: writing {taken.correction.source.path.name}", put, taken.correction, taken.result
        )
        self.changed.emit()

    def discard(self) -> None:
        """Leave the part without putting it back; its edits are forgotten."""
        if self._taken is not None and not self.runner.is_running:
            self._remove()

    def _on_ended(self, value: Taken | PutBack | Failed | None) -> None:
        if isinstance(value, Taken):
            self._show(value)
        elif isinstance(value, PutBack):
            self._on_put_back(value)
        else:
            if self._shown is not None:
                self._shown.history.closed = ""
            else:
                self._let_go()
            if isinstance(value, Failed):
                notify(value.message, value.page)
        self.changed.emit()

    def _show(self, taken: Taken) -> None:
        """Show a part as an image, and its cells in a turn of their own."""
        session, viewer = self._session, self._session.viewer
        session.canvas.collector.set_aside()  # what is there now; the layers of the part leave again
        self._taken = taken
        self.image = part_layer(taken, *self._from)
        with session.canvas.in_turns():
            viewer.add_layer(self.image)
        session.canvas.soon(self._attach)

    def _attach(self) -> None:
        """Show the cells of the part, and what was kept of its edits."""
        session, image, taken = self._session, self.image, self._taken
        if image is None or taken is None:  # it was deleted meanwhile
            return
        planes = ImagePlanes.of(image, channel_axis=image.metadata.get(CHANNEL_AXIS))
        with session.canvas.in_turns():
            self._shown = session.attach(image, planes, taken.result)
        session.viewer.layers.selection.active = image
        if taken.recovered is not None:
            taken.recovered.restore(self._shown.history)
            session.changed.emit(image)
            look_at(session.viewer, image)
            show_info(
                f"These corrections of {taken.correction.source.path.name} were never put back, and are here again. Put them "
                "back or discard them, then go on with other parts."
            )
        self.changed.emit()

    def _on_put_back(self, done: PutBack) -> None:
        name = self._taken.correction.source.path.name
        self._remove()
        self._refresh(done.layers)
        show_info(f"{counted(done.n_cells, 'cell')} of {name} changed.")

    def _remove(self) -> None:
        """Remove the layers of the part, and what was kept of its edits."""
        image, taken = self.image, self._taken
        self._let_go()
        note_saved(taken.result)
        self._session.forget(image)
        large, _ = self._from
        if large in self._session.viewer.layers:
            self._session.viewer.layers.selection.active = large
        self._session.canvas.take_out_soon(image)
        self._session.canvas.take_back_soon()

    def _refresh(self, made: Sequence[LayerData]) -> None:
        """Show the label images as they are now, in the layers that show them, and add new ones."""
        viewer = self._session.viewer
        for data, about, _ in made:
            known = [x for x in viewer.layers if x.metadata.get(LARGE) == about["metadata"][LARGE]]
            layer = next((x for x in known if x.metadata[LABEL] == about["metadata"][LABEL]), None)
            if layer is not None:
                layer.data = data
            elif known:
                active = viewer.layers.selection.active
                viewer.add_layer(Labels(data, **about))
                viewer.layers.selection.active = active

    def _on_result_changed(self, source: Image) -> None:
        if source is self.image is not None and self._session.shown(source) is None:
            self._leave()

    def _on_removed(self, event: Event) -> None:
        if event.value is self.image is not None:
            self._leave()
        self.changed.emit()

    def _leave(self) -> None:
        """The layer of the part or of its cells was deleted: what was changed is kept."""
        image, shown, name = self.image, self._shown, self._taken.correction.source.path.name
        self._let_go()
        canvas = self._session.canvas
        for layer in (image, *([] if shown is None else shown.own_layers)):
            canvas.when_quiet(partial(canvas.take_out, layer))
        if shown is not None and shown.history.undo_name is not None:
            show_info(f"The part of {name} was not put back. 'Correct what is in view' brings its corrections again.")
        self.changed.emit()
