"""Cells whose image is not open yet: they are shown on it as soon as it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage
from napari_centermask.widgets.viewer.autosave import IN_PROJECT
from napari_centermask.widgets.viewer.layers import KEY
from napari_centermask.widgets.viewer.planes import ImagePlanes, readings
from napari_centermask.widgets.viewer.shown import file_name
from napari_centermask.widgets.viewer.state import session_of
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import attempt

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer

    from napari_centermask.core.result import Result


class WaitingCells:
    """Cells that were opened without their images."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = ref(viewer)
        self._waiting: list[tuple[Result, str]] = []
        self._links = Connections()
        self._links.add(viewer.layers.events.inserted, self._on_inserted)

    def end(self) -> None:
        """The viewer was closed."""
        self._links.end()
        self._waiting.clear()

    def expect(self, results: Sequence[Result], file: str) -> None:
        """Wait for the images of cells that come from a file, and say so."""
        self._waiting += [(result, file) for result in results if result.planes]
        names = ", ".join(Path(result.name).name for result in results[:3])
        more = f" and {len(results) - 3:,} more" if len(results) > 3 else ""
        show_info(f"{file}: {names}{more} not found. Open the image, and its cells are shown on it.")

    def _on_inserted(self, event: Event) -> None:
        """A layer was opened; a project and our readers give an image its cells right afterwards."""
        if self._waiting and isinstance(event.value, Image):
            QTimer.singleShot(0, partial(attempt, self._join, ref(event.value)))

    def _join(self, opened: ref[Image]) -> None:
        viewer, layer = self._viewer(), opened()
        if viewer is None or layer is None or layer not in viewer.layers:
            return
        for entry in list(self._waiting):
            result, file = entry
            if join(viewer, layer, result):
                self._waiting.remove(entry)
                show_info(f"'{layer.name}' is shown with its {counted(len(result), 'cell')} from {file}.")
                return


def join(viewer: Viewer, layer: Layer, result: Result) -> bool:
    """Show cells on a layer if it is their image and has none, in place of their own layers; returns whether it is.

    The image is known by its name, that of its file if it has one, and by its size.
    """
    session, planes = session_of(viewer), _planes_for(layer, result)
    if planes is None or not isinstance(layer, Image) or not result.planes or session.result(layer) is not None:
        return False
    for other in list(viewer.layers):
        if other is not layer and other.metadata.get(KEY) is result:
            session.canvas.take_out(other)
    session.attach(layer, planes, result)
    return True


def _planes_for(layer: Layer, result: Result) -> ImagePlanes | None:
    """The planes of a layer if it shows the image of these cells."""
    wanted = Path(result.name)
    if not isinstance(layer, Image) or IN_PROJECT in layer.metadata:
        return None
    name = file_name(layer)
    same_stem = Path(name).stem == wanted.stem and not (layer.source.path and wanted.suffix)
    if name not in (result.name, wanted.name) and not same_stem:
        return None
    try:
        likely = readings(layer)
    except BadImage:
        return None
    form = result.shape, result.leading
    return next((planes for planes in likely if (planes.shape, planes.leading) == form), None)
