"""Arrays of an OME-Zarr, 0.4 or 0.5, that are written in parts, with smaller copies where a viewer needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from napari_centermask.core.instances import Box
from napari_centermask.core.result import Index

CHUNK = 1024
"""Side of a chunk: a choice, 4 MB of int32."""


def set_attributes(group: Any, version: str, values: dict[str, Any]) -> None:
    """Set attributes where the version has them: in 0.5, all under "ome"."""
    group.attrs.update(values if version == "0.4" else {"ome": {"version": version, **values}})


def levels_of(shape: tuple[int, int]) -> int:
    """In how many sizes a plane is kept so that the smallest is one chunk."""
    return 1 + max(0, (max(shape) - 1).bit_length() - (CHUNK - 1).bit_length())


class PlaneArray:
    """A group with the planes of an image in one or more sizes, and the attributes that the specification asks for.

    Parameters
    ----------
    leading, shape
        Sizes of the axes before height and width, and (H, W).
    name
        What it shows.
    levels
        How many sizes; each has every second row and column of the one before.
    pixel_sizes_um
        Height and width of a pixel; None if they are not known.
    is_new
        Whether to make the arrays; else they are there.
    """

    def __init__(
        self,
        group: Any,
        leading: tuple[int, ...],
        shape: tuple[int, int],
        *,
        name: str,
        version: str,
        dtype: str,
        levels: int = 1,
        pixel_sizes_um: tuple[float, float] | None = None,
        is_new: bool = True,
    ) -> None:
        self.group, self.name, self.version = group, name, version
        self.axes = "tzyx"[2 - len(leading) :]
        self._sizes = pixel_sizes_um
        sides = [tuple(-(-n // 2**level) for n in shape) for level in range(levels)]
        self.arrays = [
            self._made(str(level), leading, side, dtype) if is_new else group[str(level)]
            for level, side in enumerate(sides)
        ]

    def _made(self, path: str, leading: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> Any:
        kind: dict[str, Any] = {"dimension_names": list(self.axes)}
        if self.version == "0.4":
            kind = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        return self.group.create_array(
            path,
            shape=(*leading, *shape),
            chunks=(*(1 for _ in leading), *(min(n, CHUNK) for n in shape)),
            dtype=dtype,
            fill_value=0,
            compressors=_codec(self.version),
            **kind,
        )

    @property
    def array(self) -> Any:
        """In full size."""
        return self.arrays[0]

    def shrink(self) -> Iterator[None]:
        """Fill the smaller copies from the next larger one, chunk by chunk; yields after each row of chunks."""
        for large, small in pairwise(self.arrays):
            height, width = small.shape[-2:]
            for index in np.ndindex(*small.shape[:-2]):
                for y in range(0, height, CHUNK):
                    for x in range(0, width, CHUNK):
                        part = np.asarray(large[(*index, slice(2 * y, 2 * (y + CHUNK)), slice(2 * x, 2 * (x + CHUNK)))])
                        if part.any():
                            small[(*index, slice(y, y + CHUNK), slice(x, x + CHUNK))] = part[::2, ::2]
                    yield

    def describe(self, **more: Any) -> None:
        """Write the attributes; `more` beside the scales."""
        units = {} if self._sizes is None else dict.fromkeys("yx", {"unit": "micrometer"})
        axes = [{"name": a, "type": "time" if a == "t" else "space", **units.get(a, {})} for a in self.axes]
        pixel = [*(1.0 for _ in self.axes[:-2]), *(self._sizes or (1.0, 1.0))]
        datasets = []
        for level in range(len(self.arrays)):
            scale = [n * (2.0**level if a in "yx" else 1.0) for a, n in zip(self.axes, pixel, strict=True)]
            datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        scales: dict[str, Any] = {"name": self.name, "axes": axes, "datasets": datasets}
        if self.version == "0.4":
            scales["version"] = self.version
        set_attributes(self.group, self.version, {"multiscales": [scales], **more})


def chunks_meeting(boxes: Iterable[Box], shape: tuple[int, int]) -> list[Box]:
    """The chunks (y0, x0, y1, x1) of a plane that some boxes meet, each once."""
    corners = {
        (y, x)
        for y0, x0, y1, x1 in boxes
        for y in range(y0 // CHUNK * CHUNK, y1, CHUNK)
        for x in range(x0 // CHUNK * CHUNK, x1, CHUNK)
    }
    return [(y, x, min(y + CHUNK, shape[0]), min(x + CHUNK, shape[1])) for y, x in sorted(corners)]


def window_of(index: Index, box: Box) -> tuple[int | slice, ...]:
    """The key of a box (y0, x0, y1, x1) of a plane in an array."""
    return (*index, slice(box[0], box[2]), slice(box[1], box[3]))


def shrink_again(arrays: list[Any], index: Index, boxes: Iterable[Box]) -> None:
    """Fill the smaller copies again where boxes of a plane in full size have changed; see `PlaneArray.shrink`."""
    for large, small in pairwise(arrays):
        boxes = [(y0 // 2, x0 // 2, -(-y1 // 2), -(-x1 // 2)) for y0, x0, y1, x1 in boxes]
        for y0, x0, y1, x1 in boxes:
            small[window_of(index, (y0, x0, y1, x1))] = large[window_of(index, (2 * y0, 2 * x0, 2 * y1, 2 * x1))][
                ::2, ::2
            ]


def _codec(version: str) -> Any:
    """What every reader of the version knows."""
    if version == "0.4":
        from numcodecs import Zlib  # comes with zarr

        return Zlib(1)
    from zarr.codecs import GzipCodec

    return GzipCodec(level=1)
