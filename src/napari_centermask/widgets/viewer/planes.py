"""An image layer as arrays, for worker threads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.errors import BadImage, MissingExtra
from napari_centermask.io.axes import FEW, is_channels
from napari_centermask.io.images import SUFFIXES, read_header

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.result import Index
    from napari_centermask.io.image_data import ImageData

_CHANNEL_NAMES = {"c", "ch", "channel", "channels"}
AXES_NOTE = "axes_note"  # key of the metadata of layers whose file was ambiguous
CHANNEL_AXIS = "channel_axis"
"""Key of the metadata of layers whose channel axis somebody chose; None for planes only."""
_MOST_PAGES = 2000  # of a file whose header is read while the dock waits: 60 ms


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

    def at(self, index: Index) -> Any:
        """View of one plane with the other axes as they are: channels first or none, colours last."""
        key: list[Any] = [slice(None)] * self.array.ndim
        for axis, i in zip(self.axes, index, strict=True):
            key[axis] = i
        return self.array[tuple(key)]

    def plane(self, index: Index) -> Any:
        """(C, H, W) view of one plane; nothing is computed or copied for arrays in memory and dask."""
        plane = self.at(index)
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
    """The axis of an image's channels: the one that was chosen, or that its labels or its file call so; None for planes only."""
    if layer.rgb:
        return None
    if CHANNEL_AXIS in layer.metadata:
        return layer.metadata[CHANNEL_AXIS]
    labels = _named_axes(layer)[:-2]
    if any(labels):
        return next((a for a, label in enumerate(labels) if label.lower() in _CHANNEL_NAMES), None)
    header = _header_of(layer)
    axis = -1 if header is None else _axis_in(header, _full_shape(layer))
    return axis if 0 <= axis < len(_full_shape(layer)) - 2 else None


def readings(layer: Image) -> list[ImagePlanes]:
    """The planes of an image in the order in which they are likely: with its channels, and with every axis as planes.

    Raises
    ------
    BadImage
        If the layer is not an image with height and width.
    """
    guess = guess_channel_axis(layer)
    return [ImagePlanes.of(layer, channel_axis=axis) for axis in dict.fromkeys((guess, None))]


def last_is_channels(layer: Image) -> bool:
    """Whether channels come last, where napari shows the width."""
    shape = _full_shape(layer)
    return not layer.rgb and not _named_axes(layer)[-1] and len(shape) > 2 and is_channels(shape[-1], shape[-3:-1])


def put_channels_first(layer: Image) -> None:
    """Show an image whose channels come last: they come before height and width, without copying the pixels."""
    data = layer.data
    layer.data = [np.moveaxis(part, -1, -3) for part in data] if layer.multiscale else np.moveaxis(data, -1, -3)
    layer.metadata[CHANNEL_AXIS] = len(_full_shape(layer)) - 3


def _full_shape(layer: Image) -> tuple[int, ...]:
    return tuple(map(int, (layer.data[0] if layer.multiscale else layer.data).shape))


def _named_axes(layer: Image) -> list[str]:
    """The labels of a layer's axes; empty for those without a name, which napari numbers."""
    labels = [str(label) for label in getattr(layer, "axis_labels", ())]
    return [label if label.isalpha() else "" for label in labels] or [""] * layer.ndim


def _header_of(layer: Image) -> ImageData | None:
    """The header of the file that a layer shows; None if there is none, or it holds another image."""
    shape, path = _full_shape(layer), Path(layer.source.path or "")
    if len(shape) < 3 or prod(shape[:-2]) > _MOST_PAGES or path.suffix.lower() not in SUFFIXES or not path.is_file():
        return None
    header = _cached_header(path, path.stat().st_mtime_ns)
    return header if header is not None and _letters(header, shape) else None


@lru_cache(maxsize=16)
def _cached_header(path: Path, changed_ns: int) -> ImageData | None:
    try:
        return read_header(path)
    except (BadImage, MissingExtra):
        return None


def _axis_in(header: ImageData, shape: tuple[int, ...]) -> int:
    """Where the channels of a file are in a shape that may have more or fewer axes of length 1; -1 if it has none."""
    letters = iter(_letters(header, shape))
    return "".join("." if n == 1 else next(letters) for n in shape).find("C")


def _letters(header: ImageData, shape: tuple[int, ...]) -> str:
    """The axes of a file that are longer than 1 in the order of a layer's shape; empty if the layer holds another image.

    napari keeps the colours of a TIFF that stores them one after another before height and width, as channels.
    """
    kept = [(a, n) for a, n in zip(header.axes, header.data.shape, strict=True) if n != 1]
    orders = [kept]
    if kept and kept[-1][0] == "S":
        orders.append([*kept[:-3], ("C", kept[-1][1]), *kept[-3:-1]])
    lengths = [n for n in shape if n != 1]
    return next(("".join(a for a, _ in order) for order in orders if [n for _, n in order] == lengths), "")


def axes_note(layer: Image, *, channel_axis: int | None) -> str:
    """How an image was read whose axes have no names, and what to do if that is wrong; empty where it is clear.

    Images of a project bring the note of their file along.
    """
    if layer.rgb:
        return ""
    if AXES_NOTE in layer.metadata:
        return str(layer.metadata[AXES_NOTE])
    if CHANNEL_AXIS in layer.metadata:
        return ""
    shape, named = _full_shape(layer), _named_axes(layer)
    if last_is_channels(layer):
        return f"The last axis is read as the width, with {shape[-1]} pixels. It seems to hold channels."
    header = None if any(named) else _header_of(layer)
    if header is not None:
        is_guess = channel_axis is not None and bool(header.other_axes)
        n = shape[channel_axis] if channel_axis is not None else 0
        return f"Its {n} planes are read as channels. If they are a stack, choose 'none' above." if is_guess else ""
    few = [a for a in range(len(shape) - 2) if not named[a] and 1 < shape[a] <= FEW and a != channel_axis]
    if channel_axis is None and few:
        axis = few[-1]
        return f"Axis {axis} is read as {shape[axis]} planes. If it holds channels, choose it under 'Channel axis'."
    return ""


def channel_names(layer: Image, *, channel_axis: int | None) -> list[str]:
    """Labels of the channels: the names in the layer's metadata (`channel_names`) if it has them."""
    if layer.rgb:
        n = ImagePlanes.of(layer).n_channels
        return named_channels(layer, n) or ["Red", "Green", "Blue"][:n]
    if channel_axis is None:
        return named_channels(layer, 1) or ["Grey"]
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    return named_channels(layer, shape[channel_axis]) or [f"Channel {i}" for i in range(shape[channel_axis])]


def named_channels(layer: Image, n: int) -> list[str]:
    """Names of the n channels from the layer's metadata or its file; empty if they have none, or a different number."""
    names = layer.metadata.get("channel_names") or []
    if not names and (header := _header_of(layer)) is not None:
        names = header.channel_names
    return [str(name) for name in names] if len(names) == n else []
