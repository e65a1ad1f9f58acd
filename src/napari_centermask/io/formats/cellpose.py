"""Cellpose's `_seg.npy`: a pickled dictionary with a label image. It is read without running anything in the pickle.

Its fields: https://cellpose.readthedocs.io/en/latest/outputs.html. Overlaps are lost, as in every label image.
"""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.progress import Advance, silent
from napari_centermask.core.result import Result
from napari_centermask.io.array_pickle import load_arrays, plain
from napari_centermask.io.formats.fields import read_name
from napari_centermask.io.formats.labels import flat, from_stack
from napari_centermask.io.formats.reading import Reading, refusing
from napari_centermask.io.whole_file import whole_file

_LARGEST_HEADER = 1 << 16  # bytes: a choice; numpy's header of a whole .npy is some hundred
_STRIP = 1 << 20  # pixels of one step: what stays in a processor's cache


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of a `_seg.npy`.

    Raises
    ------
    BadAnnotations
        If it is damaged, is not from Cellpose, or holds more than arrays and plain values.
    """
    with refusing(path, "a file of Cellpose", pickle.UnpicklingError, ValueError, TypeError, MemoryError, SyntaxError):
        content = _content(path.read_bytes())
    if isinstance(content, list) and len(content) == 1:  # the one object of the array
        content = content[0]
    masks = plain(content.get("masks")) if isinstance(content, dict) else None
    if not isinstance(masks, np.ndarray):
        raise BadAnnotations(f"{path.name} has no 'masks'. Save it again in Cellpose.")
    name = read_name({"image": content.get("filename")}, path.name.removesuffix("_seg.npy"))
    squeezed = masks[0] if masks.ndim == 3 and len(masks) == 1 else masks
    result = from_stack(path, squeezed, name=name, advance=advance)
    return Reading((result,), _notes(content))


def _notes(content: dict[str, Any]) -> tuple[str, ...]:
    manual = plain(content.get("ismanual"))
    n = int(np.count_nonzero(manual)) if isinstance(manual, np.ndarray) and manual.dtype.kind in "bi" else 0
    return (f"Cells drawn by hand in Cellpose: {n}.",) if n else ()


def _content(data: bytes) -> Any:
    """The pickle after the header of an NPY file: an array of one object."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise ValueError("it is not an NPY file")
    size, start = (data[8:10], 10) if data[6] == 1 else (data[8:12], 12)
    end = start + int.from_bytes(size, "little")
    if end > min(len(data), _LARGEST_HEADER):
        raise ValueError("its header is damaged")
    header = ast.literal_eval(data[start:end].decode("latin1").strip())
    if not isinstance(header, dict) or header.get("descr") not in ("|O", "O"):
        raise ValueError("it holds no dictionary; read an NPY file of labels as 'labels'")
    return load_arrays(data[end:])


def write(path: Path, results: Sequence[Result], advance: Advance = silent) -> None:
    """Write masks and outlines as Cellpose opens them; labels count from 1."""
    (result,) = results
    masks, ids = _counted(flat(result, advance))
    status = {c.id: c.status for c in result}
    content = {
        "filename": result.name,
        "masks": masks,
        "outlines": _outlines(masks),
        "chan_choose": [0, 0],
        "ismanual": np.array([status[i] == "corrected" for i in ids], bool),
        "flows": [[], [], [], [], [[]]],
        "est_diam": float(np.median([c.diameter for c in result])) if len(result) else 30.0,
    }
    with whole_file(path) as part, part.open("wb") as stream:
        np.save(stream, np.array(content, dtype=object), allow_pickle=True)


def _counted(stack: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Labels 1, 2, ... without gaps, and the cell of each."""
    used = np.zeros(int(stack.max(initial=0)) + 1, bool)  # a table of ids is faster than sorting pixels
    for index, rows in _strips(stack):
        part = stack[index][rows]
        used[part[:, :1]] = True
        used[part[:, 1:][part[:, 1:] != part[:, :-1]]] = True  # the first pixel of each run is enough
    used[:1] = False
    ids = np.flatnonzero(used)
    kind = np.uint16 if len(ids) < 2**16 - 1 else np.uint32
    if len(ids) == len(used) - 1:  # they are so already
        return stack.astype(kind, copy=False), ids.tolist()
    return np.cumsum(used, dtype=kind)[stack], ids.tolist()


def _outlines(masks: np.ndarray) -> np.ndarray:
    """The labels of pixels with a 4-neighbour of another label or none, as Cellpose draws outlines; elsewhere 0."""
    outlines = np.zeros_like(masks)
    for index, rows in _strips(masks):
        above = max(rows.start - 1, 0)
        part = masks[index][above : rows.stop + 1]
        edge = np.ones(part.shape, bool)  # at the border of the image
        inner = part[1:-1, 1:-1]
        edge[1:-1, 1:-1] = (inner != part[:-2, 1:-1]) | (inner != part[2:, 1:-1])
        edge[1:-1, 1:-1] |= (inner != part[1:-1, :-2]) | (inner != part[1:-1, 2:])
        own = slice(rows.start - above, rows.start - above + rows.stop - rows.start)
        np.multiply(part[own], edge[own], out=outlines[index][rows])
    return outlines


def _strips(stack: np.ndarray) -> Iterator[tuple[tuple[int, ...], slice]]:
    """Position on the leading axes and rows of parts that stay in a processor's cache."""
    *leading, height, width = stack.shape
    step = max(1, _STRIP // max(1, width))
    for index in np.ndindex(*leading):
        yield from ((index, slice(top, min(top + step, height))) for top in range(0, height, step))
