"""Write small LIF files as Leica's software does: XML that describes the images, and a block of memory for each."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_DIMENSIONS = {"X": 1, "Y": 2, "Z": 3, "T": 4}


def write_lif(path: Path, images: dict[str, tuple[np.ndarray, str]], *, names=(), pixel_um: float | None = 0.5) -> Path:
    """Write images by name: an array of uint8 or uint16 with its axes, of which C, T, Z, Y and X are known.

    Parameters
    ----------
    names
        Of the channels.
    pixel_um
        Side of a pixel; None leaves out its unit.
    """
    elements = "".join(_element(n, name, *image, names, pixel_um) for n, (name, image) in enumerate(images.items(), 1))
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="made" UniqueID="0"><Data><Experiment Path=""/></Data>'
        f'<Memory Size="0" MemoryBlockID="MemBlock_0"/><Children>{elements}</Children></Element></LMSDataContainerHeader>'
    )
    blocks = [("MemBlock_0", b"")]
    for n, (data, axes) in enumerate(images.values(), 1):
        order = [axes.index(a) for a in "TZCYX" if a in axes]  # the layout of `_strides`
        blocks.append((f"MemBlock_{n}", np.ascontiguousarray(data.transpose(order)).tobytes()))
    with path.open("wb") as stream:
        stream.write(struct.pack("<II", 0x70, 5 + 2 * len(xml)))
        stream.write(struct.pack("<BI", 0x2A, len(xml)) + xml.encode("utf-16-le"))
        for id, memory in blocks:
            stream.write(struct.pack("<IIB", 0x70, 14 + 2 * len(id), 0x2A))
            stream.write(struct.pack("<QBI", len(memory), 0x2A, len(id)) + id.encode("utf-16-le") + memory)
    return path


def _element(n: int, name: str, data: np.ndarray, axes: str, names, pixel_um: float | None) -> str:
    strides, step = {}, data.itemsize
    for axis in reversed([a for a in "TZCYX" if a in axes]):
        strides[axis] = step
        step *= data.shape[axes.index(axis)]
    count = data.shape[axes.index("C")] if "C" in axes else 1
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * data.itemsize}" NameOfMeasuredQuantity="" Min="0" '
        f'Max="255" Unit="" LUTName="{names[c] if names else ""}" IsLUTInverted="0" '
        f'BytesInc="{c * strides.get("C", 0)}" BitInc="0"/>'
        for c in range(count)
    )
    sizes = {a: data.shape[axes.index(a)] for a in "XYZT" if a in axes}
    unit = "" if pixel_um is None else "m"
    dimensions = "".join(
        f'<DimensionDescription DimID="{_DIMENSIONS[a]}" NumberOfElements="{size}" Origin="0" '
        f'Length="{(size - 1) * (pixel_um or 1) * 1e-6}" Unit="{"s" if a == "T" else unit}" BitInc="0" BytesInc="{strides[a]}"/>'
        for a, size in sizes.items()
    )
    return (
        f'<Element Name="{name}" UniqueID="{n}"><Data><Image><ImageDescription><Channels>{channels}</Channels>'
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{data.nbytes}" MemoryBlockID="MemBlock_{n}"/></Element>'
    )
