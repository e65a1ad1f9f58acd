"""An image layer as arrays, for worker threads."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.errors import BadImage
from napari_centermask.io.axes import FEW, is_channels

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.result import Index

_CHANNEL_NAMES = {"c", "ch", "channel", "channels"}
AXES_NOTE = "axes_note"  # key of the metadata of layers whose file was ambiguous


@dataclass(frozen=True)
class ImagePlanes:
    """The planes of an image, each (C, H, W), read when they are used.

    Attributes
    ----------
    array
        The layer's data; the full resolution of a pyramid.
    rgb
        Whether the last axis holds colours.
    channel_axis
        Another axis that holds channels; None if there is none.
    """

    array: Any
    rgb: bool = False
    channel_axis: int | None = None

    @classmethod
    def of(cls, layer: Image, *, channel_axis: int | None = None) -> ImagePlanes:
        """A snapshot of a layer that only keeps its array.

        Raises
        ------
        BadImage
            If the layer does not have two spatial axes, or the channel axis is one of them.
        """
        data = layer.data[0] if layer.multiscale else layer.data
        n_axes = data.ndim - bool(layer.rgb)
        if n_axes < 2:
            raise BadImage(
                f"Layer '{layer.name}' has only {n_axes} axis; an image needs height and width. Choose another layer."
            )
        if layer.rgb:
            channel_axis = None
        elif channel_axis is not None and not 0 <= channel_axis < n_axes - 2:
            raise BadImage(
                f"Axis {channel_axis} of {n_axes} is height or width; channels must be on an axis before. Choose another one."
            )
        return cls(_sliceable(data), bool(layer.rgb), channel_axis)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        h, w = self.array.shape[-3:-1] if self.rgb else self.array.shape[-2:]
        return int(h), int(w)

    @property
    def n_channels(self) -> int:
        """Channels of a plane; alpha does not count."""
        if self.rgb:
            return min(int(self.array.shape[-1]), 3)
        return 1 if self.channel_axis is None else int(self.array.shape[self.channel_axis])

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the array that number the planes: time, z."""
        n_axes = self.array.ndim - self.rgb
        return tuple(a for a in range(n_axes - 2) if a != self.channel_axis)

    @property
    def leading(self) -> tuple[int, ...]:
        """Sizes of those axes; empty for a single plane."""
        return tuple(int(self.array.shape[a]) for a in self.axes)

    def indices(self) -> list[Index]:
        """The positions of all planes."""
        return list(product(*map(range, self.leading)))

    def plane(self, index: Index) -> Any:
        """(C, H, W) view of one plane; nothing is computed or copied for arrays in memory and dask."""
        key: list[Any] = [slice(None)] * self.array.ndim
        for axis, i in zip(self.axes, index, strict=True):
            key[axis] = i
        plane = self.array[tuple(key)]
        if self.rgb:
            return plane.transpose(2, 0, 1)[:3]
        return plane[None] if self.channel_axis is None else plane


def _sliceable(data: object) -> Any:
    """numpy and dask arrays unchanged; the content of xarray; anything else (zarr, tensorstore) through dask."""
    data = getattr(data, "variable", data)  # an xarray.DataArray indexes by labels too
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data
    if hasattr(data, "to_numpy") and hasattr(data, "data"):
        return data.data
    from dask.array import from_array

    return from_array(data)


def guess_channel_axis(layer: Image) -> int | None:
    """The axis that the layer's axis labels call a channel axis; None if there is none."""
    if layer.rgb:
        return None
    labels = tuple(getattr(layer, "axis_labels", ()))[:-2]
    return next((a for a, label in enumerate(labels) if str(label).lower() in _CHANNEL_NAMES), None)


def axes_note(layer: Image, *, channel_axis: int | None) -> str:
    """How an image was read whose axes have no names, and what to do if that is wrong; empty where it is clear.

    Images of a project bring the note of their file along.
    """
    if layer.rgb:
        return ""
    if AXES_NOTE in layer.metadata:
        return str(layer.metadata[AXES_NOTE])
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    named = [str(label).isalpha() for label in getattr(layer, "axis_labels", ("",) * len(shape))]
    if len(shape) > 2 and not named[-1] and is_channels(shape[-1], tuple(shape[-3:-1])):
        return (
            f"The last axis is read as the width, with {shape[-1]} pixels. If it holds channels, open the file in "
            "the dock 'Project', or put that axis first."
        )
    few = [a for a in range(len(shape) - 2) if not named[a] and 1 < shape[a] <= FEW and a != channel_axis]
    if channel_axis is None and few:
        axis = few[-1]
        return f"Axis {axis} is read as {shape[axis]} planes. If it holds channels, choose it under 'Channel axis'."
    return ""


def channel_names(layer: Image, *, channel_axis: int | None) -> list[str]:
    """Labels of the channels: the names in the layer's metadata (`channel_names`) if it has them."""
    if layer.rgb:
        return ["Red", "Green", "Blue"][: ImagePlanes.of(layer).n_channels]
    if channel_axis is None:
        return named_channels(layer, 1) or ["Grey"]
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    return named_channels(layer, shape[channel_axis]) or [f"Channel {i}" for i in range(shape[channel_axis])]


def named_channels(layer: Image, n: int) -> list[str]:
    """Names of the n channels from the layer's metadata; empty if it has none, or a different number."""
    names = layer.metadata.get("channel_names") or []
    return [str(name) for name in names] if len(names) == n else []
