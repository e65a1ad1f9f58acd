"""An image of a project as a layer, and a check that it still is the image that its cells were drawn on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.viewer.autosave import IN_PROJECT
from napari_centermask.widgets.viewer.planes import ImagePlanes

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.result import Result
    from napari_centermask.io.image_data import ImageData
    from napari_centermask.models.store.card import ModelCard


def image_layer(pixels: ImageData, *, name: str) -> tuple[Image, ImagePlanes]:
    """An image as one layer, and its planes; channels become a slider."""
    from napari.layers import Image

    data, axes, rgb = pixels.data, pixels.axes, pixels.axes.endswith("S")
    if "S" in axes and not rgb:
        data, axes, rgb = np.moveaxis(data, axes.index("S"), -1), axes.replace("S", "") + "S", True
    labels = tuple(axes.rstrip("S").lower())
    about = {IN_PROJECT: True, "channel_names": list(pixels.channel_names)}
    layer = Image(data, name=name, rgb=rgb, axis_labels=labels, metadata=about)
    return layer, ImagePlanes.of(layer, channel_axis=axes.index("C") if "C" in axes else None)


def check_form(path: Path, planes: ImagePlanes, result: Result) -> None:
    """Check that cells fit the image that was read.

    Raises
    ------
    BadImage
        If the file now holds another image.
    """
    cells, image = (*result.leading, *result.shape), (*planes.leading, *planes.shape)
    if cells != image:
        raise BadImage(
            f"{path.name} was replaced by an image of another size: its cells were drawn on {_size(cells)}, but the file "
            f"now has {_size(image)}. Restore the old file, or add the new one under another name."
        )


def settings_for(card: ModelCard, *, last: SegmentSettings | None, layer: Image | None) -> SegmentSettings:
    """Settings for a prediction with a model: the last ones if they were for it, else its own with the layer's channels."""
    from napari_centermask.pipeline import with_card_defaults

    if last is not None and last.model == card.name:
        return last
    names = [] if layer is None else layer.metadata.get("channel_names")
    return with_card_defaults(SegmentSettings(model=card.name, channel_names=names or None), card)


def _size(shape: tuple[int, ...]) -> str:
    """The number of planes, width and height, as text."""
    *leading, height, width = shape
    planes = f"{' x '.join(map(str, leading))} planes of " if leading else ""
    return f"{planes}{width} x {height} pixels"
