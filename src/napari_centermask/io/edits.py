"""Edits as JSON, for journals: the state of each cell afterwards, so that an edit can be applied twice.

Reading any text gives a valid state or raises `BadRecord`, in bounded memory.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_centermask.core.history import Edit
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.extension import LARGEST_ID, are_probabilities
from napari_centermask.io.packed_cells import Cells, pack, unpack, unpack_tracks

STATUSES = ("predicted", "accepted", "corrected", "rejected")
LARGEST_CROP = 2**28  # pixels of a cell's box, as `io.rle.LARGEST_MASK`
MANY = 50
"""Changes of one edit from which on its cells are packed together; a cell by itself takes 20 µs."""
_LONGEST_TEXT = 100_000  # a choice: a name or source of a damaged line is not believed beyond


class BadRecord(ValueError):
    """A record that does not describe an edit of this image."""


@dataclass(frozen=True, slots=True)
class State:
    """Cells and reviewed rectangles after an edit.

    Attributes
    ----------
    cells
        (plane, id, cell or None where it was deleted), in order.
    regions
        (plane, rectangles).
    """

    cells: tuple[tuple[Index, int, Instance | None], ...]
    regions: tuple[tuple[Index, tuple[Box, ...]], ...] = ()

    def apply(self, result: Result) -> None:
        """Bring a result to a state, which `state_of` has checked against the result's shape."""
        for plane, id, cell in self.cells:
            result.set(plane, id, cell)
        for plane, boxes in self.regions:
            result.set_reviewed(plane, boxes)


def record_of(edit: Edit) -> dict[str, Any]:
    """An edit as JSON values."""
    record: dict[str, Any] = {"name": str(edit.name)}
    if len(edit.changes) > MANY:
        record["packed"] = pack(edit.changes)
    else:
        record["cells"] = [
            [_ints(c.plane), int(c.id), None if c.after is None else cell_record(c.after)] for c in edit.changes
        ]
    if edit.regions:
        record["regions"] = [[_ints(r.plane), [_ints(box) for box in r.after]] for r in edit.regions]
    return record


def _ints(values: Iterable[int]) -> list[int]:
    return [int(v) for v in values]  # JSON cannot hold numpy's integers


def cell_record(cell: Instance) -> dict[str, Any]:
    """A cell without its id as JSON values; the mask as packed bits, deflated, in base 64."""
    packed = zlib.compress(np.packbits(cell.mask).tobytes(), 1)
    own: dict[str, Any] = {"probabilities": [float(p) for p in cell.probabilities]} if cell.probabilities else {}
    own |= {name: int(n) for name, n in (("track", cell.track), ("parent", cell.parent)) if n}
    return own | {
        "at": _ints((cell.y0, cell.x0, *cell.mask.shape)),
        "mask": base64.b64encode(packed).decode("ascii"),
        "category": int(cell.category),
        "score": float(cell.score),
        "quality": float(cell.mask_quality),
        "status": str(cell.status),
        "source": str(cell.source),
        "order": float(cell.order),
    }


def state_of(record: object, result: Result) -> State:
    """Read what `record_of` wrote, checked against the image.

    Raises
    ------
    BadRecord
        If anything in it is missing, has another type, or does not fit the image.
    """
    if not isinstance(record, dict) or not isinstance(record.get("packed", record.get("cells")), list):
        raise BadRecord("an edit needs a list of cells")
    cells = _packed(record["packed"], result) if "packed" in record else _cells(record["cells"], result)
    regions = record.get("regions", [])
    if not isinstance(regions, list) or not all(isinstance(r, list) and len(r) == 2 for r in regions):
        raise BadRecord("regions need a plane and rectangles")
    return State(tuple(cells), tuple((_plane(r[0], result), _boxes(r[1], result.shape)) for r in regions))


def _cells(items: list[Any], result: Result) -> Cells:
    cells: Cells = []
    for item in items:
        if not isinstance(item, list) or len(item) != 3:
            raise BadRecord("a change needs a plane, an id and a cell")
        plane, id = _plane(item[0], result), _integer(item[1], 1, LARGEST_ID)
        cells.append((plane, id, None if item[2] is None else _cell(item[2], id, result.shape)))
    return cells


def _packed(parts: list[Any], result: Result) -> Cells:
    cells: Cells = []
    for part in parts:
        if not isinstance(part, dict) or not all(isinstance(part.get(k), list) for k in ("planes", "texts")):
            raise BadRecord("packed cells need planes and texts")
        planes, texts = [_plane(p, result) for p in part["planes"]], [_text(t) for t in part["texts"]]
        try:
            rows, all_probabilities, masks = unpack(part)
            tracks = unpack_tracks(part)
        except ValueError as error:
            raise BadRecord(str(error)) from None
        for row, probabilities, mask, of_track in zip(rows.tolist(), all_probabilities, masks, tracks, strict=True):
            id, category, plane, y0, x0, _, _, status, source, _, score, quality, order = row
            index, id = planes[_integer(plane, 0, len(planes) - 1)], _integer(id, 1, LARGEST_ID)
            if mask is None:
                cells.append((index, id, None))
                continue
            of = [_integer(k, 0, len(texts) - 1) for k in (status, source)]
            fields = category, score, quality, texts[of[0]], texts[of[1]], order, list(probabilities), *of_track
            cells.append((index, id, _instance(id, (y0, x0), mask, fields, result.shape)))
    return cells


def _cell(record: object, id: int, shape: tuple[int, int]) -> Instance:
    if not isinstance(record, dict):
        raise BadRecord("a cell needs fields")
    at = record.get("at")
    if not isinstance(at, list) or len(at) != 4:
        raise BadRecord("a cell needs a place of four numbers")
    y0, x0 = _integer(at[0], 0, shape[0] - 1), _integer(at[1], 0, shape[1] - 1)
    mask = _mask(record.get("mask"), _integer(at[2], 1, shape[0] - y0), _integer(at[3], 1, shape[1] - x0))
    names = "category", "score", "quality", "status", "source", "order"
    tracks = record.get("track", 0), record.get("parent", 0)
    fields = (*map(record.get, names), record.get("probabilities", []), *tracks)
    return _instance(id, (y0, x0), mask, fields, shape)


def _instance(
    id: int, at: tuple[int, int], mask: np.ndarray, fields: Sequence[Any], shape: tuple[int, int]
) -> Instance:
    """Make a cell from values that may be anything; checks them."""
    category, score, quality, status, source, order, probabilities, track, parent = fields
    if not (mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any()):
        raise BadRecord("a mask has empty borders")
    cell = Instance(
        id,
        _integer(at[0], 0, shape[0] - mask.shape[0]),
        _integer(at[1], 0, shape[1] - mask.shape[1]),
        mask,
        _integer(category, 1, LARGEST_ID),
        _number(score, 0, 1),
        _number(quality, 0, 1),
        _text(status),
        _text(source),
        _number(order, -1e300, 1e300),
        _probabilities(probabilities),
        _integer(track, 0, LARGEST_ID),
        _integer(parent, 0, LARGEST_ID),
    )
    if cell.status not in STATUSES:
        raise BadRecord(f"there is no status {cell.status!r}")
    return cell


def _mask(text: object, h: int, w: int) -> np.ndarray:
    """(h, w) bool; unpacks no more than its size."""
    if not isinstance(text, str) or h * w > LARGEST_CROP:
        raise BadRecord("a cell needs a mask of a size that is read")
    expected = (h * w + 7) // 8
    try:
        packed = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), expected + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise BadRecord(f"a mask is damaged: {error}") from None
    if len(packed) != expected:
        raise BadRecord(f"expected a mask of {expected} bytes, got {len(packed)}")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=h * w).reshape(h, w).view(bool)


def _plane(value: object, result: Result) -> Index:
    if not isinstance(value, list) or len(value) != len(result.leading):
        raise BadRecord(f"expected a plane within {result.leading}")
    return tuple(_integer(i, 0, n - 1) for i, n in zip(value, result.leading, strict=True))


def _boxes(value: object, shape: tuple[int, int]) -> tuple[Box, ...]:
    if not isinstance(value, list) or not all(isinstance(box, list) and len(box) == 4 for box in value):
        raise BadRecord("rectangles need four numbers")
    boxes = []
    for box in value:
        y0, x0 = _integer(box[0], 0, shape[0] - 1), _integer(box[1], 0, shape[1] - 1)
        boxes.append((y0, x0, _integer(box[2], y0 + 1, shape[0]), _integer(box[3], x0 + 1, shape[1])))
    return tuple(boxes)


def _integer(value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise BadRecord(f"expected a whole number from {low} to {high}")
    return value


def _number(value: Any, low: float, high: float) -> float:
    if type(value) not in (int, float) or not low <= value <= high:
        raise BadRecord(f"expected a number from {low} to {high}")
    return float(value)


def _probabilities(value: Any) -> tuple[float, ...]:
    if not are_probabilities(value):
        raise BadRecord("expected probabilities that sum to 1")
    return tuple(map(float, value))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise BadRecord("expected a short text")
    return value
