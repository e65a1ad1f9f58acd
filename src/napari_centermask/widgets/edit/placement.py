"""Where the coordinates of one layer lie in the planes of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from napari.viewer import Viewer

    from napari_centermask.core.result import Index
    from napari_centermask.widgets.viewer.planes import ImagePlanes


class Placement:
    """Maps coordinates of a layer to planes and pixels of an image, by the transforms of both.

    A layer with fewer axes than the viewer, such as one drawn in 2-D over a stack, lies in the plane in view.

    Attributes
    ----------
    matrix, offset
        (image axes, layer axes) and (image axes,): image = matrix @ layer + offset, in pixels of the arrays.
    """

    def __init__(self, viewer: Viewer, layer: Layer, source: Image, planes: ImagePlanes) -> None:
        self._planes, n = planes, layer.ndim
        n_axes = planes.array.ndim - planes.rgb
        above = list(viewer.dims.point)[: max(0, viewer.dims.ndim - n)]

        def image_of(point: np.ndarray) -> np.ndarray:
            world = [*above, *layer.data_to_world(tuple(point))]
            return np.array(source.world_to_data(tuple(world[-n_axes:])), float)

        self.offset = image_of(np.zeros(n))
        self.matrix = np.stack([image_of(row) - self.offset for row in np.eye(n)], axis=1)

    def index(self, point: np.ndarray) -> Index | None:
        """The plane of an image position; None if the image has no such plane."""
        index = tuple(int(i) for i in np.rint(point[list(self._planes.axes)]))
        return index if all(0 <= i < n for i, n in zip(index, self._planes.leading, strict=True)) else None

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """(n, image axes) float positions in the image of (n, layer axes) points."""
        moved: np.ndarray = np.asarray(points, float) @ self.matrix.T + self.offset
        return moved
