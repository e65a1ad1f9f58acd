"""The category of each pixel as a layer: a U-Net's map before cells are separated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.viewer.layers import flat_place

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_centermask.core.result import Index


def show_classes(viewer: Viewer, source: Image, index: Index, classes: np.ndarray) -> str:
    """Add or update the layer of a plane's class map.

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
