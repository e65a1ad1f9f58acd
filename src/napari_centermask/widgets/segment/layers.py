"""Layers over the image beside its cells: a circle as large as the typical cell, and the category of each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.viewer.layers import flat_place
from napari_centermask.widgets.viewer.state import session_of

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from napari.viewer import Viewer

    from napari_centermask.core.result import Index

CIRCLE = "cell diameter"
_COLOUR = "#4cc9f0"


class DiameterCircle:
    """A Shapes layer with a circle, which can be moved over a cell to compare."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Shapes | None = None

    @property
    def layer(self) -> Shapes | None:
        """The layer while it is shown."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._layer = None
        return self._layer

    def show(self, source: Image, diameter: float) -> None:
        """Draw the circle, `diameter` image pixels wide, at its last place or at the centre of the view."""
        corners = self._middle(source) + diameter / 2 * np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
        if self.layer is not None and self._layer.metadata["source"] == source.name:
            self._layer.data = [(corners, "ellipse")]
            self._layer.edge_width = [_edge(diameter)]
            return
        self.hide()
        self._layer = _circle(source, corners, diameter)
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(self._layer)
        self._viewer.layers.selection.active = active or source

    def hide(self) -> None:
        """Remove the circle."""
        if self.layer is not None:
            session_of(self._viewer).canvas.take_out(self._layer)
        self._layer = None

    def to_top(self) -> None:
        """Move the circle above newer layers."""
        if self.layer is not None:
            layers = self._viewer.layers
            layers.move(layers.index(self._layer), len(layers))

    def _middle(self, source: Image) -> np.ndarray:
        """(2,) y, x in pixels of the image: the circle's own centre while it is on this image, or the view's."""
        if self.layer is not None and self._layer.metadata.get("source") == source.name and self._layer.nshapes:
            return np.asarray(self._layer.data[0])[:, -2:].mean(axis=0)
        low, high = np.asarray(source.corner_pixels)[:, -2:]
        shape = np.array(source.extent.data[1][-2:]) + 1
        return (low + high) / 2 if (high > low).all() else shape / 2


def _edge(diameter: float) -> float:
    return max(diameter / 24, 0.75)


def _circle(source: Image, corners: np.ndarray, diameter: float) -> Shapes:
    from napari.layers import Shapes

    place = {name: getattr(source, name)[-2:] for name in ("scale", "translate", "units") if hasattr(source, name)}
    return Shapes(
        [corners],
        shape_type="ellipse",
        name=CIRCLE,
        edge_color=_COLOUR,
        edge_width=_edge(diameter),
        face_color=[0.3, 0.79, 0.94, 0.15],
        metadata={"source": source.name},
        **place,
    )


def show_classes(viewer: Viewer, source: Image, index: Index, classes: np.ndarray) -> str:
    """Add or update the layer of a plane's class map, a U-Net's output before cells are separated.

    Parameters
    ----------
    classes
        (H, W) uint8, 0 for background, else the category's id.

    Returns
    -------
    str
        A sentence with the fraction of each category.
    """
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    name = f"{source.name} classes" + (f" {list(index)}" if index else "")
    if name in viewer.layers:
        viewer.layers[name].data = classes
    else:
        colours = {k: category_colour(k) for k in range(1, int(classes.max(initial=1)) + 1)}
        colormap = DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **colours})
        layer = Labels(classes, name=name, opacity=0.5, colormap=colormap, **flat_place(source))
        layer.editable = False
        viewer.add_layer(layer)
        viewer.layers.selection.active = source
    parts = np.bincount(classes.ravel(), minlength=2)[1:] / classes.size
    return (
        "Of the pixels, " + ", ".join(f"{part:.1%} are of category {k}" for k, part in enumerate(parts, start=1)) + "."
    )
