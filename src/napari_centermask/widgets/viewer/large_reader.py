"""Open the cells of a large image as lazy layers in several sizes: nothing is read but what is in view."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadAnnotations, MissingExtra
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.unsaved_parts import unsaved_parts
from napari_centermask.io.zarr_groups import attributes, open_group
from napari_centermask.widgets.viewer.samples import LayerData

LARGE = "napari_centermask_large"
"""Key of the metadata of the lazy layers: the folder of their cells."""
LABEL = "napari_centermask_label_image"
"""Key of their metadata: the name of the label image that each shows."""
LARGEST_IN_MEMORY = 64_000_000
"""Pixels of all planes up to which cells open whole, to be corrected anywhere: a choice, 8,000 x 8,000."""


def lazy_layers(path: Path) -> list[LayerData]:
    """A layer for each label image of what `segment` wrote for a large image; none for a smaller one, or anything else.

    The layers show cells; they cannot be painted, as no layer of several sizes can. A correction that was interrupted is
    finished first; if it cannot be, napari shows why.
    """
    try:
        cells = CellsOnDisk.open(path)
    except (BadAnnotations, MissingExtra):
        return []
    if math.prod((*cells.leading, *cells.shape)) <= LARGEST_IN_MEMORY:
        return []
    if unsaved_parts(path, cells.corrections):
        from napari.utils.notifications import show_info

        show_info(
            f"{path.name} has corrections that were never put back. 'Correct what is in view' in the Correct dock brings them "
            "again."
        )
    return layers_of(path)


def layers_of(path: Path) -> list[LayerData]:
    """A layer for each label image of the cells of a large image."""
    group = open_group(path)["labels"]
    return [_layer(path, group[name]) for name in attributes(group)["labels"]]


def _layer(path: Path, group: Any) -> LayerData:
    from dask.array import from_array

    scales = attributes(group)["multiscales"][0]
    levels = [group[one["path"]] for one in scales["datasets"]]
    name = path.name.removesuffix(".ome.zarr").removesuffix("_cells")
    scale = scales["datasets"][0]["coordinateTransformations"][0]["scale"]
    about: dict[str, Any] = {"name": f"{name} {scales['name']}", "multiscale": len(levels) > 1, "scale": scale}
    about["metadata"] = {LARGE: str(path), LABEL: scales["name"]}
    # Without names of their own, as dask would answer from what napari has cached before a correction.
    data = [from_array(level, chunks=level.chunks, name=False) for level in levels]
    return data if len(levels) > 1 else data[0], about, "labels"
