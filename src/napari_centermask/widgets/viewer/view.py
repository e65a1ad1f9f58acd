"""Views of an image in a viewer: the current plane, and centring a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_centermask.core.instances import Box
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.viewer.planes import ImagePlanes

_SMALLEST = 48  # screen pixels: a cell that is smaller in view is brought closer
_WANTED = 160  # screen pixels


def current_index(viewer: Viewer, source: Image, planes: ImagePlanes) -> Index:
    """The plane of the image at the position of the viewer's sliders."""
    point = source.world_to_data(viewer.dims.point)
    return tuple(
        int(min(max(round(float(point[axis])), 0), size - 1))
        for axis, size in zip(planes.axes, planes.leading, strict=True)
    )


def shows_planes(viewer: Viewer, source: Image) -> bool:
    """Whether the viewer shows planes of an image in 2D, with height down and width to the right."""
    dims = viewer.dims
    return dims.ndisplay == 2 and tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1)


def camera_box(viewer: Viewer, layer: Layer) -> np.ndarray:
    """(2, 2) the first and last y and x that the camera shows, in pixels of a layer; beyond the layer, too.

    napari's own `corner_pixels` of a layer in several sizes reach to the next borders of chunks.
    """
    canvas = viewer.window._qt_viewer.canvas
    camera = getattr(viewer, "scene", viewer).camera
    half = np.asarray(canvas.size, float) / 2 / camera.zoom
    middle = np.asarray(camera.center[-2:], float)
    corners = np.zeros((4, layer.ndim))
    corners[:, -2:] = middle + half * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    points = np.array([layer.world_to_data(corner)[-2:] for corner in corners])
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _point(source: Image, planes: ImagePlanes, index: Index, y: float, x: float) -> np.ndarray:
    """The world position of a point of a plane."""
    point = np.zeros(source.ndim)
    point[list(planes.axes)] = index
    point[-2:] = y, x
    return np.asarray(source.data_to_world(point))


def go_to_plane(viewer: Viewer, source: Image, planes: ImagePlanes, index: Index) -> None:
    """Move the viewer's sliders to a plane of an image."""
    if current_index(viewer, source, planes) == index:
        return
    world = _point(source, planes, index, 0, 0)
    first = viewer.dims.ndim - source.ndim
    axes = [first + axis for axis in planes.axes]
    viewer.dims.set_point(axes, [float(world[axis]) for axis in planes.axes])


def centre_view(viewer: Viewer, source: Image, planes: ImagePlanes, index: Index, box: Box) -> None:
    """Centre a box (y0, x0, y1, x1) of a plane in the view; zoom in if it is tiny."""
    y0, x0, y1, x1 = box
    camera = getattr(viewer, "scene", viewer).camera
    world = _point(source, planes, index, (y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2)
    camera.center = (0.0, *map(float, world[-2:]))
    size = max((y1 - y0) * abs(source.scale[-2]), (x1 - x0) * abs(source.scale[-1]))
    if size * camera.zoom < _SMALLEST:
        camera.zoom = _WANTED / size
