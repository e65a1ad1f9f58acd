"""The reviewed rectangles on the canvas, in a layer that cannot be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    def show(self, source: Image | None, boxes: tuple[Box, ...]) -> None:
        """Show these rectangles of an image, and no others."""
        if source is None or not boxes:
            self.hide()
            return
        corners = [rectangle(*(v - 0.5 for v in box)) for box in boxes]
        if self.layer is None or self.layer not in self._viewer.layers:
            self._add(source)
        layer = self.layer
        layer.name = f"{source.name} reviewed"
        layer.scale, layer.translate = source.scale[-2:], source.translate[-2:]
        layer.data = corners
        layer.editable = False  # new data make it editable again
        layer.edge_width = max(1.0, min(source.data.shape[-2:] if not source.multiscale else (400,)) / 400)

    def hide(self) -> None:
        """Remove the layer from the viewer."""
        if self.layer is not None:
            session_of(self._viewer).canvas.take_out_soon(self.layer)
        self.layer = None

    def _add(self, source: Image) -> None:
        from napari.layers import Shapes

        units = {"units": source.units[-2:]} if hasattr(source, "units") else {}
        look = {"edge_color": _COLOUR, "face_color": [0.48, 0.83, 0.54, 0.06], "opacity": 0.9}
        self.layer = Shapes(ndim=2, shape_type="rectangle", **look, **units)
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(self.layer)
        self._viewer.layers.selection.active = active if active in self._viewer.layers else source
