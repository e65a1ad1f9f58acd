"""Whether an image is seen, or hidden behind others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer

_HIDING = {"translucent", "translucent_no_depth", "opaque"}  # other ways of blending show what lies below
_CLEAR = 0.9  # opacity from which on a layer hides what lies below it: a choice
_MOST = 0.5  # part of an image that must be covered so that it counts as hidden: a choice


def covering(viewer: Viewer, source: Image) -> list[Image]:
    """The visible images that lie over an image, so that you do not see all of it; the top-most one first."""
    if getattr(viewer, "canvas", viewer).grid.enabled:  # napari has it there from 0.9 on
        return []
    return [x for x in reversed(hiding(viewer, source)) if x.visible]


def hiding(viewer: Viewer, source: Image) -> list[Image]:
    """The images that hide an image, or a part of it, while they are visible; the lowest one first.

    A smaller image hides a part if it begins at the same place, as files do that are opened one after the other. One elsewhere
    was put there, such as the next field of a mosaic.
    """
    layers = list(viewer.layers)  # a slice of napari's list is another one, with events, which takes milliseconds
    above = layers[layers.index(source) + 1 :] if source in layers else ()
    opaque = [x for x in above if isinstance(x, Image) and str(x.blending) in _HIDING and x.opacity >= _CLEAR]
    return [x for x in opaque if _covered_part(source, x) > (0 if _begins_with(source, x) else _MOST)]


def _begins_with(source: Image, other: Image) -> bool:
    """Whether the first pixels of two images lie at the same place."""
    first = (layer.data_to_world((0,) * layer.ndim)[-2:] for layer in (source, other))
    return np.allclose(*first)


def _covered_part(source: Image, other: Image) -> float:
    """The part of an image's area over which the rectangle of another one lies."""
    own, over = source.extent.world[:, -2:], other.extent.world[:, -2:]
    low, high = np.maximum(own[0], over[0]), np.minimum(own[1], over[1])
    area = np.prod(np.maximum(own[1] - own[0], 1e-9))
    return float(np.prod(np.maximum(high - low, 0)) / area)


def why_unseen(viewer: Viewer, source: Image | None) -> str:
    """Why you do not see an image; empty if you do, and without one."""
    if source is None:
        return ""
    if not source.visible:
        return "This image is hidden."
    over = covering(viewer, source)
    if not over:
        return ""
    whole = next((x for x in over if _covered_part(source, x) > _MOST), None)
    if whole is None:
        return f"You do not see all of this image: '{over[0].name}' lies over a part of it."
    return f"You do not see this image: '{whole.name}' lies over it."


def bring_into_view(viewer: Viewer, source: Image, cells_of: Callable[[Image], list[Layer]]) -> None:
    """Show an image, and hide those that lie over it, with their cells until they are shown again.

    Parameters
    ----------
    cells_of
        Returns the layers that show the cells of an image.
    """
    source.visible = True
    for image in covering(viewer, source):
        cells = [layer for layer in cells_of(image) if layer.visible]
        for layer in (image, *cells):
            layer.visible = False
        links = Connections()
        links.add(image.events.visible, partial(_show_again, image, cells, links))


def _show_again(image: Image, cells: list[Layer], links: Connections, event: Event) -> None:
    if image.visible:
        links.end()
        for layer in cells:
            layer.visible = True
