"""The headers of model files: names, shapes and the card, without torch, onnx or the weights themselves."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.protobuf import Bytes, fields, nested

CARD_KEY = "card"
_LONGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class Header:
    """What a model file says about itself.

    Attributes
    ----------
    metadata
        Text by name; the card is "card".
    shapes
        Parameters (safetensors) or inputs and outputs (ONNX), name -> shape; 0 where ONNX leaves a size open.
    """

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def read_safetensors(path: Path) -> Header:
    """Read and check the header of a safetensors file; the weights are not read.

    Raises
    ------
    BadModel
        If the file is missing, truncated, claims sizes that it does not have, or is no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
                raise _bad(path, "safetensors", f"a header of {length} bytes in a file of {size}")
            header = json.loads(file.read(length))
    except FileNotFoundError:
        raise BadModel(f"The model file {path} does not exist. Check the path.") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise _bad(path, "safetensors", "a header that is not JSON") from None
    except OSError as error:
        raise BadModel(f"Cannot read {path}: {error.strerror or error}.") from error
    if not isinstance(header, dict):
        raise _bad(path, "safetensors", "a header that is no object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise _bad(path, "safetensors", "metadata that is no object")
    return Header(metadata, _check_tensors(path, header, size - 8 - length))


def _check_tensors(path: Path, tensors: dict[str, Any], data_bytes: int) -> dict[str, tuple[int, ...]]:
    shapes, total = {}, 0
    for name, entry in tensors.items():
        try:
            shape = tuple(int(n) for n in entry["shape"])
            start, stop = entry["data_offsets"]
            needed = _BYTES[entry["dtype"]]
        except (KeyError, TypeError, ValueError):
            raise _bad(path, "safetensors", f"a damaged entry for {name[:80]}") from None
        for n in shape:
            needed *= n
        if min(shape, default=0) < 0 or not 0 <= start <= stop <= data_bytes or stop - start != needed:
            raise _bad(path, "safetensors", f"{name[:80]} of shape {shape} in {data_bytes} bytes of data")
        shapes[name] = shape
        total += needed
    if total != data_bytes:
        raise _bad(path, "safetensors", f"{data_bytes} bytes of data where the header lists {total}")
    return shapes


def read_onnx(path: Path) -> Header:
    """Read the metadata and the inputs' and outputs' shapes of an ONNX file, without the package onnx.

    Raises
    ------
    BadModel
        If the file is missing, truncated or no ONNX file.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read_model(data)
    except FileNotFoundError:
        raise BadModel(f"The model file {path} does not exist. Check the path.") from None
    except (ValueError, IndexError, UnicodeDecodeError):
        raise BadModel(
            f"{path} is not a complete ONNX file: it is cut short or damaged, or something else. Copy or download it again."
        ) from None
    except OSError as error:
        raise BadModel(f"Cannot read {path}: {error.strerror or error}.") from error


def _read_model(data: Bytes) -> Header:
    # Field numbers of onnx.proto: ModelProto 7 graph, 14 metadata_props; GraphProto 11 input, 12 output;
    # ValueInfoProto 1 name, 2 type; TypeProto 1 tensor_type, its 2 shape; TensorShapeProto 1 dim, its 1 dim_value.
    metadata, shapes = {}, {}
    for number, start, stop in fields(data, 0, len(data)):
        if number == 14:
            pair = {n: bytes(data[a:b]).decode() for n, a, b in fields(data, start, stop)}
            metadata[pair.get(1, "")] = pair.get(2, "")
        elif number == 7:
            for part, a, b in fields(data, start, stop):
                if part in (11, 12):
                    name, shape = _read_value(data, a, b)
                    shapes[name] = shape
    if not shapes:
        raise ValueError("no graph")
    return Header(metadata, shapes)


def _read_value(data: Bytes, start: int, stop: int) -> tuple[str, tuple[int, ...]]:
    name, shape = "", []
    for number, a, b in fields(data, start, stop):
        if number == 1:
            name = bytes(data[a:b]).decode()
        elif number == 2:
            for path in nested(data, a, b, (1, 2, 1)):
                values = [v for n, v, _ in fields(data, *path, varints=True) if n == 1]
                shape.append(values[0] if values else 0)
    return name, tuple(shape)


def _bad(path: Path, kind: str, content: str) -> BadModel:
    return BadModel(f"{path} is not a complete {kind} file: it has {content}. Copy or download it again.")
