"""Write small ND2 files in the layout of version 2: named chunks, metadata as XML, and a map of the chunks at the end."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_MAGIC = 0x0ABECEDA
_ALIGNED = 4072  # bytes of a frame's name, so that its pixels begin 4096 bytes after the chunk
_VARIANT = '<?xml version="1.0" encoding="UTF-8"?><variant version="1.0"><no_name runtype="CLxListVariant">{}</no_name></variant>'


def write_nd2(path: Path, stack: np.ndarray, *, names, pixel_um: float | None = 0.5) -> Path:
    """Write a z stack (Z, C, Y, X) of uint8 or uint16.

    Parameters
    ----------
    names
        Of the channels.
    pixel_um
        Side of a pixel; None for a file without calibration.
    """
    n, channels, height, width = stack.shape
    bits = 8 * stack.itemsize
    attributes = _uints(
        uiWidth=width,
        uiHeight=height,
        uiWidthBytes=width * channels * stack.itemsize,
        uiComp=channels,
        uiBpcInMemory=bits,
        uiBpcSignificant=bits,
        uiSequenceCount=n,
        uiTileWidth=width,
        uiTileHeight=height,
        eCompression=2,
    )
    probe = _list("pFluorescentProbe", _uints(m_uiColor=0))
    planes = "".join(
        _list(
            f"a{k}",
            _uints(uiCompCount=1, uiSampleIndex=k) + f'<sDescription runtype="CLxStringW" value="{name}"/>' + probe,
        )
        for k, name in enumerate(names)
    )
    metadata = (
        f'<bCalibrated runtype="bool" value="{str(pixel_um is not None).lower()}"/>'
        f'<dCalibration runtype="double" value="{pixel_um or 0.0}"/>'
        + _list("sPicturePlanes", _uints(uiCount=channels) + _list("sPlaneNew", planes))
    )
    loop = _uints(uiCount=n) + '<dZStep runtype="double" value="2.0"/>'
    chunks = {
        "ImageAttributes!": _VARIANT.format(attributes).encode(),
        "ImageMetadataSeq|0!": _VARIANT.format(metadata).encode(),
        "ImageMetadata!": _VARIANT.format(_uints(eType=4) + _list("uLoopPars", loop)).encode(),
        "CustomData|AcqTimesCache!": np.zeros(n).tobytes(),
    }
    for z, frame in enumerate(stack):
        pixels = np.ascontiguousarray(frame.transpose(1, 2, 0)).tobytes()
        chunks[f"ImageDataSeq|{z}!"] = struct.pack("<d", 0.0) + pixels
    with path.open("wb") as stream:
        stream.write(_chunk("ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"), 32))
        places = {}
        for name, data in chunks.items():
            places[name] = (stream.tell(), len(data))
            stream.write(_chunk(name, data, _ALIGNED))
        at = stream.tell()
        signature = b"ND2 CHUNK MAP SIGNATURE 0000001!"
        listed = b"".join(name.encode() + struct.pack("<QQ", *place) for name, place in places.items())
        stream.write(_chunk("ND2 FILEMAP SIGNATURE NAME 0001!", listed + signature + struct.pack("<Q", at), 32))
    return path


def _chunk(name: str, data: bytes, length: int) -> bytes:
    return struct.pack("<IIQ", _MAGIC, length, len(data)) + name.encode().ljust(length, b"\0") + data


def _uints(**values: int) -> str:
    return "".join(f'<{name} runtype="lx_uint32" value="{value}"/>' for name, value in values.items())


def _list(name: str, content: str) -> str:
    return f'<{name} runtype="CLxListVariant">{content}</{name}>'
