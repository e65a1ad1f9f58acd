"""The image on which a part of a large image's cells is corrected: a crop of the open image, or a blank one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_centermask.core.errors import BadImage
from napari_centermask.widgets.viewer.autosave import KEPT_AS
from napari_centermask.widgets.viewer.layers import place_of
from napari_centermask.widgets.viewer.planes import CHANNEL_AXIS, ImagePlanes, readings

if TYPE_CHECKING:
    from napari.layers import Labels, Layer
    from napari.viewer import Viewer

    from napari_centermask.widgets.edit.part_work import Taken

_LOOK = ("contrast_limits", "colormap", "gamma", "interpolation2d")


def image_of(layers: Iterable[Layer], large: Labels, planes: ImagePlanes) -> tuple[Image, ImagePlanes] | None:
    """The image that the cells of a layer lie on, the top-most in sight if there are several; None if it is not open.

    Parameters
    ----------
    planes
        Of the layer of cells.
    """
    found = [
        (layer, known)
        for layer in layers
        if isinstance(layer, Image) and KEPT_AS not in layer.metadata and _lies_on(layer, large)
        for known in _readings(layer)
        if (known.shape, known.leading) == (planes.shape, planes.leading)
    ]
    return next((one for one in reversed(found) if one[0].visible), found[-1] if found else None)


def _readings(layer: Image) -> list[ImagePlanes]:
    try:
        return readings(layer)
    except BadImage:
        return []


def _lies_on(image: Image, large: Labels) -> bool:
    """Whether the pixels of two layers are as large, and begin at the same place."""
    return np.allclose(image.scale[-2:], large.scale[-2:]) and np.allclose(image.translate[-2:], large.translate[-2:])


def part_layer(taken: Taken, large: Labels, image: Image | None) -> Image:
    """An image layer for a part that was taken out, at its place."""
    part, name = taken.part, large.name.rpartition(" ")[0]
    y0, x0, y1, x1 = part.window
    place = place_of(large)
    place["translate"] = np.asarray(large.translate) + np.asarray(large.scale) * (*part.index, y0, x0)
    about: dict[str, Any] = {"metadata": {KEPT_AS: taken.kept_as}}
    if taken.pixels is None or image is None:
        blank = np.zeros((*taken.result.leading, y1 - y0, x1 - x0), np.uint8)
        return Image(blank, name=f"{name} part, without its image", contrast_limits=(0, 255), **about, **place)
    planes = taken.pixels.reshape(len(taken.pixels), *taken.result.leading, y1 - y0, x1 - x0)
    if image.rgb:
        return Image(np.moveaxis(planes, 0, -1), name=f"{name} part", rgb=True, **about, **place)
    about |= {look: getattr(image, look) for look in _LOOK}
    if len(planes) == 1:
        return Image(planes[0], name=f"{name} part", **about, **place)
    about["metadata"][CHANNEL_AXIS] = 0
    around = {key: _with_axis(key, value) for key, value in place.items() if key in ("scale", "translate")}
    return Image(planes, name=f"{name} part", **about, **around)


def _with_axis(key: str, value: Any) -> np.ndarray:
    return np.concatenate([[1.0 if key == "scale" else 0.0], np.asarray(value, float)])


def look_at(viewer: Viewer, layer: Image) -> None:
    """Bring an image layer into view, at its plane."""
    low, high = layer.extent.world
    first = viewer.dims.ndim - layer.ndim
    viewer.dims.set_point(range(first, viewer.dims.ndim - 2), [float(x) for x in low[:-2]])
    camera = getattr(viewer, "scene", viewer).camera
    camera.center = (0.0, *map(float, (low[-2:] + high[-2:]) / 2))
