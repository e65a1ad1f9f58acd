"""Check the constants of an ONNX file before a runtime allocates or opens anything for them."""

from __future__ import annotations

import mmap
from math import prod
from pathlib import Path

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.protobuf import Bytes, fields, varint

# Bytes of an element by TensorProto.DataType, of the types that graphs of ours and of other exporters hold raw.
_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
_DEEPEST = 20  # graphs inside graphs: a choice, ours have none


class _Hostile(Exception):
    """A constant that lies outside the file, or is larger than it."""


def check_constants(path: Path) -> None:
    """Check that every constant of an ONNX file lies in it, with the size that it claims.

    Raises
    ------
    BadModel
        Naming the constant; or if the file is not ONNX.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # Field numbers of onnx.proto: ModelProto 7 graph, 25 functions; FunctionProto 7 node.
            for number, start, stop in fields(data, 0, len(data)):
                if number == 7:
                    _check_graph(data, start, stop)
                elif number == 25:
                    _check_nodes(data, start, stop, node_field=7)
    except _Hostile as error:
        raise BadModel(
            f"{path.name} is refused: {error}. Get it again from its source, or export the model again."
        ) from None
    except (OSError, ValueError, IndexError) as error:
        raise BadModel(f"{path.name} cannot be read as ONNX: {error}. Copy or download it again.") from None


def _check_graph(data: Bytes, start: int, stop: int, *, depth: int = 0) -> None:
    """Check the constants of a GraphProto, and of graphs in it."""
    if depth > _DEEPEST:
        raise _Hostile(f"its graphs are nested more than {_DEEPEST} deep")
    # Field numbers of onnx.proto: GraphProto 1 node, 5 initializer, 15 sparse_initializer.
    for number, a, b in fields(data, start, stop):
        if number == 5:
            _check_constant(data, a, b)
        elif number == 15:
            raise _Hostile("it has sparse weights, which no model of ours has")
    _check_nodes(data, start, stop, node_field=1, depth=depth)


def _check_nodes(data: Bytes, start: int, stop: int, *, node_field: int, depth: int = 0) -> None:
    """Check the constants that the nodes of a graph or a function hold in their attributes."""
    # NodeProto 5 attribute; AttributeProto 5 t, 6 g, 10 tensors, 11 graphs.
    nodes = ((a, b) for number, a, b in fields(data, start, stop) if number == node_field)
    attributes = (span for a, b in nodes for number, *span in fields(data, a, b) if number == 5)
    for a, b in attributes:
        for number, first, end in fields(data, a, b):
            if number in (5, 10):
                _check_constant(data, first, end)
            elif number in (6, 11):
                _check_graph(data, first, end, depth=depth + 1)


def _check_constant(data: Bytes, start: int, stop: int) -> None:
    """Check a TensorProto."""
    # TensorProto 1 dims, 2 data_type, 8 name, 9 raw_data, 13 external_data, 14 data_location (1 is external).
    parts = {number: (a, b) for number, a, b in fields(data, start, stop)}
    numbers = [(number, value) for number, value, _ in fields(data, start, stop, varints=True)]
    name = bytes(data[slice(*parts.get(8, (0, 0)))])[:80].decode(errors="replace") or "a constant"
    if 13 in parts or (14, 1) in numbers:
        raise _Hostile(
            f"the weights '{name}' lie in another file, and files of this program are complete in themselves"
        )
    shape = [value for number, value in numbers if number == 1] + _packed(data, *parts.get(1, (0, 0)))
    claimed, kind = prod(shape), dict(numbers).get(2, 0)
    if 9 in parts and kind in _BYTES:
        fits = claimed * _BYTES[kind] == parts[9][1] - parts[9][0]
    else:
        fits = claimed <= 2 * (stop - start)  # two elements of 4 bits in a byte
    if not fits:
        raise _Hostile(f"'{name}' claims the shape {tuple(shape)}, which its {stop - start:,} bytes do not hold")


def _packed(data: Bytes, start: int, stop: int) -> list[int]:
    """Numbers one after another, as some writers store repeated ones."""
    numbers = []
    while start < stop:
        value, start = varint(data, start)
        numbers.append(value)
    return numbers
