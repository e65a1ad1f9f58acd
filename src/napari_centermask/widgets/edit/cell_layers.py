"""Plain napari layers from the cells of an image: Labels, and Shapes, which keep overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings
from napari_centermask.io.formats.labels import flat
from napari_centermask.io.formats.loss import flat_loss, only_shown
from napari_centermask.io.rings import keyhole, trace
from napari_centermask.widgets.viewer.layers import place_of

if TYPE_CHECKING:
    from napari.layers import Labels, Shapes
    from napari.viewer import Viewer

    from napari_centermask.core.result import Index, Result
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.shown import Shown

MOST_SHAPES = 5_000
"""Polygons from which on a Shapes layer of napari takes minutes: 5,000 took 9 s (napari 0.9.2)."""


def labels_of(shown: Shown) -> tuple[Labels, str]:
    """A new Labels layer with the shown cells, and what it cannot hold; empty if it holds everything."""
    import pandas as pd
    from napari.layers import Labels

    source = shown.source()
    result = only_shown(shown.result)
    loss = flat_loss([result])
    data = np.array(shown.layers.spread(flat(result)))
    layer = Labels(data, name=f"{source.name} labels", features=pd.DataFrame(result.table()), **place_of(source))
    return layer, loss.text() if loss else ""


def shapes_of(shown: Shown, viewer: Viewer) -> Shapes:
    """A new Shapes layer with the outlines of the shown cells along the edges of their pixels, whole where they overlap.

    Parts of a cell are shapes with the same `cell` in the features; a hole is entered by a line.

    Raises
    ------
    BadSettings
        If there are too many for such a layer.
    """
    import pandas as pd
    from napari.layers import Shapes

    source = shown.source()
    outlines = list(_outlines(only_shown(shown.result)))
    if len(outlines) > MOST_SHAPES:
        raise BadSettings(
            f"{counted(len(outlines), 'outline')} are too many for a Shapes layer, which takes minutes for them. "
            "Save the cells as GeoJSON, or use a Labels layer."
        )
    at = _Vertices(shown.planes, viewer, source)
    vertices = [at(index, ring) for index, ring, _ in outlines]
    return Shapes(
        vertices,
        ndim=source.ndim,
        shape_type="polygon",
        name=f"{source.name} shapes",
        features=pd.DataFrame([row for _, _, row in outlines]),
        edge_color="yellow",
        face_color="transparent",
        edge_width=1,
        **place_of(source),
    )


def _outlines(result: Result) -> Iterator[tuple[Index, np.ndarray, dict[str, Any]]]:
    """Plane, ring of y, x at the centres of pixels, and features of each part of each cell."""
    for index, cell in result.placed():
        polygons = trace(cell.mask, cell.box[:2])
        for part, polygon in enumerate(polygons, start=1):
            category = result.categories.get(cell.category, str(cell.category))
            row = {"cell": cell.id, "part": part, "parts": len(polygons), "category": category, "score": cell.score}
            yield index, keyhole(polygon)[:, ::-1] - 0.5, row


class _Vertices:
    """Positions in the array of an image from planes and pixels; channels stay at the one in view."""

    def __init__(self, planes: ImagePlanes, viewer: Viewer, source: Any) -> None:
        self._planes = planes
        self._first = np.zeros(source.ndim)
        if planes.channel_axis is not None:
            world = viewer.dims.point[viewer.dims.ndim - source.ndim :]
            self._first[planes.channel_axis] = round(source.world_to_data(world)[planes.channel_axis])

    def __call__(self, index: Index, ring: np.ndarray) -> np.ndarray:
        points = np.tile(self._first, (len(ring), 1))
        points[:, list(self._planes.axes)] = index
        points[:, -2:] = ring
        return points
