"""The reviewed rectangles on the canvas, in a layer that cannot be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_centermask.core.regions import rectangle
from napari_centermask.widgets.viewer.state import session_of

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from napari.viewer import Viewer

    from napari_centermask.core.instances import Box

_COLOUR = "#7bd389"


class RegionLayer:
    """Shows rectangles of the current plane; without any, there is no layer."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.layer: Shapes | None = None
        self._source: ref[Image] | None = None
        self._is_coming = False
        self._boxes: tuple[Box, ...] = ()

    def show(self, source: Image | None, boxes: tuple[Box, ...]) -> None:
        """Show these rectangles of an image, and no others; a new layer comes in a turn of the event loop of its own."""
        if source is None or not boxes:
            self.hide()
            return
        self._source = ref(source)
        if self.layer is None or not (self._is_coming or self.layer in self._viewer.layers):
            self.layer, self._is_coming = _layer(source, boxes), True
            session_of(self._viewer).canvas.soon(self._add)
        elif boxes != self._boxes:  # drawing them again takes some 20 ms
            self.layer.data = _corners(boxes)
            self.layer.editable = False  # new data make it editable again
        self._boxes = boxes
        for name, value in _place(source).items():
            if not np.array_equal(getattr(self.layer, name), value):
                setattr(self.layer, name, value)

    def hide(self) -> None:
        """Remove the layer from the viewer."""
        canvas = session_of(self._viewer).canvas
        canvas.drop(self._add)
        if self.layer is not None:
            canvas.take_out_soon(self.layer)
        self.layer, self._is_coming = None, False

    def _add(self) -> None:
        self._is_coming = False
        source = None if self._source is None else self._source()
        if self.layer is not None and source is not None and source in self._viewer.layers:
            session_of(self._viewer).canvas.add(source, self.layer)
            self.layer.editable = False  # a layer that is added is


def _layer(source: Image, boxes: tuple[Box, ...]) -> Shapes:
    from napari.layers import Shapes

    units: dict[str, Any] = {"units": source.units[-2:]} if hasattr(source, "units") else {}
    look: dict[str, Any] = {"edge_color": _COLOUR, "face_color": [0.48, 0.83, 0.54, 0.06], "opacity": 0.9}
    return Shapes(_corners(boxes), ndim=2, shape_type="rectangle", **look, **units, **_place(source))


def _place(source: Image) -> dict[str, Any]:
    """Name, place and width of the lines above an image."""
    width = max(1.0, min(source.data.shape[-2:] if not source.multiscale else (400,)) / 400)
    place = {"scale": source.scale[-2:], "translate": source.translate[-2:]}
    return {"name": f"{source.name} reviewed", "edge_width": width, **place}


def _corners(boxes: tuple[Box, ...]) -> list[np.ndarray]:
    return [rectangle(*(v - 0.5 for v in box)) for box in boxes]
