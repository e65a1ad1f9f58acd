"""Write OME-Zarr labels, 0.4 or 0.5: overlapping cells go to different label images, so masks are kept exactly.

https://ngff.openmicroscopy.org/0.4 and /0.5, sections "multiscales" and "labels". Labels belong to an image there, so the root
is one: how many cells lie on each pixel. It is not the image that the labels come from, so none is named as their source.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.compose import pack_planes
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.core.result import Result
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.ome_zarr_arrays import PlaneArray, set_attributes
from napari_centermask.io.whole_file import whole_file
from napari_centermask.io.zarr_groups import zarr_package


def write(path: Path, results: Sequence[Result], advance: Advance = silent, *, version: str = "0.4") -> None:
    """Write an image with the group `labels` and its label images `cells_0`, `cells_1`, ...

    Parameters
    ----------
    version
        Of OME-Zarr: "0.4" (Zarr 2) or "0.5" (Zarr 3).

    Raises
    ------
    MissingExtra
        Without zarr.
    """
    zarr = zarr_package()
    (result,) = results
    with whole_file(path) as part:
        root = zarr.open_group(store=str(part), mode="w", zarr_format=2 if version == "0.4" else 3)
        count = PlaneArray(root, result.leading, result.shape, name="number of cells", version=version, dtype="uint8")
        group = root.create_group("labels")
        layers: list[_Labels] = []
        rank = 0
        for index in np.ndindex(*result.leading):
            plane = result.plane(index)
            packed, plane_of = pack_planes(plane)
            count.array[index] = _count(plane)
            while len(layers) < len(packed):
                layers.append(_Labels(group, result, f"cells_{len(layers)}", version))
            for layer, values in zip(layers, packed, strict=False):
                layer.array[index] = values
            for cell in counting(plane, len(result), advance, before=rank):
                layers[plane_of[cell.id]].properties.append(_properties(cell, rank))
                rank += 1
        count.describe()
        for layer in layers:
            layer.describe()
        set_attributes(group, version, {"labels": [f"cells_{n}" for n in range(len(layers))]})
        group.attrs[KEY] = fields.image_fields(result)


def _count(plane: Instances) -> np.ndarray:
    """How many cells lie on each pixel, (H, W) uint8; 255 stands for more."""
    count = np.zeros(plane.shape, np.uint8)
    for cell in plane:
        y0, x0, y1, x1 = cell.box
        part = count[y0:y1, x0:x1]
        part[cell.mask & (part < 255)] += 1
    return count


def _properties(cell: Instance, rank: int) -> dict[str, Any]:
    return {"label-value": cell.id, "rank": rank, KEY: fields.cell_fields(cell)}


class _Labels(PlaneArray):
    """A label image that is being written."""

    def __init__(self, labels: Any, result: Result, name: str, version: str) -> None:
        super().__init__(
            labels.create_group(name), result.leading, result.shape, name=name, version=version, dtype="int32"
        )
        self.properties: list[dict[str, Any]] = []

    def describe(self, **more: Any) -> None:
        """Write the attributes of the array and of its labels."""
        about: dict[str, Any] = {"version": self.version}
        if self.properties:
            about["properties"] = self.properties
        super().describe(**{"image-label": about}, **more)
