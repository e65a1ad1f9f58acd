"""Which part of an image a run covers: its planes, the visible part, or a drawn region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.core.regions import ellipse, rectangle
from napari_centermask.pipeline import Plane
from napari_centermask.widgets.segment.controls import ALL, PLANE, REGION, VIEW
from napari_centermask.widgets.segment.layers import CIRCLE

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from napari.viewer import Viewer

    from napari_centermask.core.result import Index
    from napari_centermask.widgets.viewer.planes import ImagePlanes


def scopes(planes: ImagePlanes | None) -> dict[str, str]:
    """The scopes for an image, with their labels."""
    n = 1 if planes is None else int(np.prod(planes.leading))
    first = {PLANE: "Whole image"} if n == 1 else {ALL: f"All {n} planes", PLANE: "This plane"}
    return {**first, VIEW: "What is in view", REGION: "Drawn region"}


def chosen_planes(scope: str, viewer: Viewer, source: Image, planes: ImagePlanes, *, index: Index) -> list[Plane]:
    """The planes to segment, with the region in each.

    Raises
    ------
    BadImage
        If there is no drawn region, or no part of the image is visible.
    """
    if scope == ALL:
        return [Plane(i, planes.plane(i)) for i in planes.indices()]
    region: tuple[np.ndarray, ...] | None = None
    if scope == VIEW:
        region = (view_of(source, planes),)
    elif scope == REGION:
        region = drawn_regions(viewer, source)
    return [Plane(index, planes.plane(index), region)]


def view_of(source: Image, planes: ImagePlanes) -> np.ndarray:
    """(4, 2) corners of the visible part of the image, in pixels of its full resolution."""
    low, high = np.asarray(source.corner_pixels, float)
    if source.multiscale:
        factors = np.asarray(source.downsample_factors)[source.data_level]
        low, high = low * factors, high * factors
    (y0, x0), (y1, x1) = low[-2:], np.minimum(high[-2:] + 1, planes.shape)
    if y1 - y0 < 2 or x1 - x0 < 2:
        raise BadImage(f"No part of '{source.name}' is in view. Click Home below the layer list.")
    return rectangle(y0, x0, y1, x1)


def drawn_regions(viewer: Viewer, source: Image) -> tuple[np.ndarray, ...]:
    """The closed shapes of the active Shapes layer, else of the top-most one with shapes, in pixels of the image.

    Raises
    ------
    BadImage
        If there are none.
    """
    from napari.layers import Shapes

    active = viewer.layers.selection.active
    shapes = [x for x in viewer.layers if isinstance(x, Shapes) and x.name != CIRCLE and x.nshapes]
    chosen = active if active in shapes else next(reversed(shapes), None)
    regions = () if chosen is None else tuple(_polygons(chosen, source))
    if not regions:
        raise BadImage("No region is drawn. Press 'Draw' and drag a rectangle over the image.")
    return regions


def _polygons(layer: Shapes, source: Image) -> list[np.ndarray]:
    polygons = []
    selected = sorted(layer.selected_data) or range(layer.nshapes)
    for i in selected:
        kind = layer.shape_type[i]
        if kind in ("line", "path"):
            continue
        points = np.array([source.world_to_data(layer.data_to_world(p))[-2:] for p in layer.data[i]])
        polygons.append(ellipse(points) if kind == "ellipse" else points)
    return polygons


def draw_region(viewer: Viewer, source: Image | None) -> None:
    """Add a Shapes layer over the image, or select the one there, ready to draw a rectangle."""
    from napari.layers import Shapes

    name = "region"
    if name not in viewer.layers or not isinstance(viewer.layers[name], Shapes):
        place = {} if source is None else {"scale": source.scale[-2:], "translate": source.translate[-2:]}
        if source is not None and hasattr(source, "units"):
            place["units"] = source.units[-2:]
        look = {"edge_color": "#ffd166", "edge_width": 2, "face_color": [1, 0.82, 0.4, 0.1]}
        viewer.add_layer(Shapes(ndim=2, name=name, **look, **place))
    layer = viewer.layers[name]
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
