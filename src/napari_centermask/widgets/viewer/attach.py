"""Attaches cells from a file to the image opened with them, so that they can be corrected like predicted ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_centermask.widgets.viewer.layers import KEY
from napari_centermask.widgets.viewer.planes import ImagePlanes

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_centermask.core.result import Result


def attach_soon(result: Result) -> None:
    """Attach a result that a reader is about to return, once napari has added its layers; without a viewer do nothing."""
    from napari import current_viewer

    if QApplication.instance() is not None and current_viewer() is not None:
        QTimer.singleShot(0, partial(_attach_if_there, result))


def _attach_if_there(result: Result) -> None:
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        attach(viewer, result)


def attach(viewer: Viewer, result: Result) -> bool:
    """Give a result to the image that was opened with it, in place of the layers from the file.

    Returns
    -------
    bool
        Whether the image is in the viewer.
    """
    from napari.layers import Image

    from napari_centermask.widgets.viewer.state import session_of, unwrapped

    viewer = unwrapped(viewer)
    mine = [layer for layer in viewer.layers if layer.metadata.get(KEY) is result]
    image = next((layer for layer in mine if isinstance(layer, Image)), None)
    session = session_of(viewer)
    if image is None or session.result(image) is not None:
        return False
    for layer in mine:
        if layer is not image:
            session.canvas.take_out(layer)
    session.attach(image, ImagePlanes.of(image), result)
    return True
