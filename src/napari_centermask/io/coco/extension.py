"""What COCO has no field for: the key `napari_centermask` of annotations and images; docs/formats.md describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeGuard

from napari_centermask.core.instances import Box, Instance

KEY = "napari_centermask"
STATUSES = ("predicted", "accepted", "corrected", "rejected")
LARGEST_ID = 2**31 - 1  # int32, as in label images
MOST_PLANES = 2**31  # a choice: a product of axes that a file claims must not overflow
Bad = Callable[[str], None]
_NOT_PLAIN = ("probabilities", "track", "parent")
_WRITTEN = itemgetter("id", "score", "mask_quality", "status", "source", "order")


def refuse(message: str) -> None:
    """Raise an error; an import that repairs notes the problem instead."""
    raise ValueError(message)


def cell_key(instance: Instance) -> dict[str, Any]:
    """The extension of a cell's annotation."""
    own: dict[str, Any] = {}
    if instance.probabilities:
        own["probabilities"] = [float(p) for p in instance.probabilities]
    own |= {name: n for name, n in (("track", instance.track), ("parent", instance.parent)) if n}
    return own | {
        "id": instance.id,
        "score": float(instance.score),
        "mask_quality": float(instance.mask_quality),
        "status": instance.status,
        "source": instance.source,
        "order": float(instance.order),
    }


def cell_fields(item: dict[str, Any], source: str, *, bad: Bad = refuse) -> dict[str, Any]:
    """Fields of `Instance` from an annotation; `bad` is called for each invalid one, which gets its default.

    Parameters
    ----------
    source
        For cells whose annotation has no source.
    """
    own = _own(item, bad)
    if not own and "score" not in item and is_text(source):  # as most of other programs
        return _fields(0, 1.0, 1.0, "accepted", source, 0.0)
    if fields := _as_written(item, own):
        return fields
    id = own.get("id", 0)
    if not _is_whole(id) or not (0 < id <= LARGEST_ID or "id" not in own):
        bad(f"expected an id from 1 to {LARGEST_ID} in its {KEY}, got {_short(id)}")
        id = 0
    status = own.get("status", "predicted" if "score" in item else "accepted")
    if status not in STATUSES:
        bad(f"expected a status of {', '.join(STATUSES)}, got {_short(status)}")
        status = "accepted"
    name = own.get("source", source)
    if not isinstance(name, str) or not is_text(name):
        bad(f"expected text as source, got {_short(name)}")
        name = source
    return {
        "id": id,
        "score": _number(own, "score", _number(item, "score", 1.0, bad), bad),
        "mask_quality": _number(own, "mask_quality", 1.0, bad),
        "status": status,
        "source": name,
        "order": _number(own, "order", 0.0, bad, low=-1e300, high=1e300),
        "probabilities": _probabilities(own, bad),
        "track": _track(own, "track", bad),
        "parent": _track(own, "parent", bad),
    }


def _as_written(item: dict[str, Any], own: dict[str, Any]) -> dict[str, Any] | None:
    """The fields where all are as `cell_key` writes them, which one look tells; None otherwise."""
    try:
        id, score, quality, status, source, order = _WRITTEN(own)
    except KeyError:
        return None
    outer = item.get("score", score)
    is_plain = (
        type(id) is int
        and all(type(value) in (float, int) for value in (score, quality, outer, order))
        and type(status) is type(source) is str
        and own.keys().isdisjoint(_NOT_PLAIN)
    )
    is_fine = (
        is_plain
        and 0 < id <= LARGEST_ID
        and 0 <= score <= 1
        and 0 <= outer <= 1
        and 0 <= quality <= 1
        and -1e300 <= order <= 1e300
        and status in STATUSES
        and source.isascii()
    )
    if not is_fine:
        return None
    return _fields(id, float(score), float(quality), status, source, float(order))


def _fields(id: int, score: float, quality: float, status: str, source: str, order: float) -> dict[str, Any]:
    """Those of a cell without probabilities."""
    return {
        "id": id,
        "score": score,
        "mask_quality": quality,
        "status": status,
        "source": source,
        "order": order,
        "probabilities": (),
    }


def plane_key(record: Any) -> dict[str, Any]:
    """The extension of an image record, without what is empty."""
    key = {
        "plane": list(record.plane),
        "leading": list(record.leading),
        "reviewed_regions": [list(box) for box in record.reviewed],
        "last_id": record.last_id,
        "threshold": record.threshold,
        "seams": [list(axis) for axis in record.seams] if any(record.seams) else [],
    }
    return {k: v for k, v in key.items() if v}


def plane_fields(
    image: dict[str, Any], shape: tuple[int, int], *, bad: Bad = refuse
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of `ImageRecord` from an image entry, and everything else under the key."""
    own = _own(image, bad)
    plane, leading = _position(own, bad)
    seams = own.get("seams", [])
    if seams != [] and not _are_numbers(seams, lists=2):
        bad(f"expected two lists of seams, got {_short(seams)}")
        seams = []
    fields = {
        "plane": plane,
        "leading": leading,
        "reviewed": _regions(own, shape, bad),
        "last_id": _last_id(own, bad),
        "threshold": _number(own, "threshold", 0.0, bad),
        "seams": tuple(tuple(map(float, axis)) for axis in seams) or ((), ()),
    }
    return fields, {k: v for k, v in own.items() if k not in fields and k != "reviewed_regions"}


def is_text(text: str) -> bool:
    """Whether a value can be written as UTF-8: JSON may hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_json(value: object) -> bool:
    """Whether a value can be written as JSON again: Python reads NaN and endlessly nested lists, which are not valid JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True


def _own(item: dict[str, Any], bad: Bad) -> dict[str, Any]:
    own = item.get(KEY, {})
    if not isinstance(own, dict):
        bad(f"expected an object as {KEY}, got {_short(own)}")
        return {}
    return own


def _position(own: dict[str, Any], bad: Bad) -> tuple[tuple[int, ...], tuple[int, ...]]:
    plane, leading = own.get("plane", []), own.get("leading", [])
    if not (_are_whole(plane) and _are_whole(leading)) or len(plane) > 4:
        bad(f"expected whole numbers as plane and leading, got {_short(plane)} and {_short(leading)}")
        return (), ()
    leading = leading or [p + 1 for p in plane]
    within = len(plane) == len(leading) and all(0 <= p < n for p, n in zip(plane, leading, strict=True))
    if not within or math.prod(leading) > MOST_PLANES:
        bad(f"expected a plane within {_short(leading)}, got {_short(plane)}")
        return (), ()
    return tuple(plane), tuple(leading)


def _regions(own: dict[str, Any], shape: tuple[int, int], bad: Bad) -> tuple[Box, ...]:
    regions = own.get("reviewed_regions", [])
    kept = []
    for box in regions if isinstance(regions, list) else [regions]:
        fits = (
            _are_whole(box) and len(box) == 4 and 0 <= box[0] < box[2] <= shape[0] and 0 <= box[1] < box[3] <= shape[1]
        )
        if fits:
            kept.append(tuple(box))
        else:
            bad(f"expected reviewed regions [y0, x0, y1, x1] inside the image, got {_short(box)}")
    return tuple(kept)


def _last_id(own: dict[str, Any], bad: Bad) -> int:
    last = own.get("last_id", 0)
    if _is_whole(last) and 0 <= last <= LARGEST_ID:
        return last
    bad(f"expected a last_id up to {LARGEST_ID}, got {_short(last)}")
    return 0


def _number(own: dict[str, Any], key: str, default: float, bad: Bad, *, low: float = 0.0, high: float = 1.0) -> float:
    value = own.get(key, default)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or math.isnan(value):
        bad(f"expected a number as {key}, got {_short(value)}")
        return default
    if not low <= value <= high:
        bad(f"expected a {key} from {low:g} to {high:g}, got {_short(value)}")
    return float(min(max(value, low), high))


def _track(own: dict[str, Any], key: str, bad: Bad) -> int:
    number = own.get(key, 0)
    if _is_whole(number) and 0 <= number <= LARGEST_ID:
        return number
    bad(f"expected a {key} up to {LARGEST_ID}, got {_short(number)}")
    return 0


def _probabilities(own: dict[str, Any], bad: Bad) -> tuple[float, ...]:
    values = own.get("probabilities", [])
    if are_probabilities(values):
        return tuple(map(float, values))
    bad(f"expected numbers from 0 to 1 that sum to 1 as probabilities, got {_short(values)}")
    return ()


def are_probabilities(values: object) -> bool:
    """Whether a list, possibly empty, can be the probabilities of a cell's categories."""
    if not isinstance(values, list) or any(type(v) not in (int, float) or not 0 <= v <= 1 for v in values):
        return False
    return not values or abs(sum(values) - 1) < 1e-3


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_whole(values: object) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(map(_is_whole, values))


def _are_numbers(values: object, *, lists: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == lists
        and all(isinstance(v, list) and all(isinstance(x, (int, float)) and abs(x) < 1e9 for x in v) for v in values)
    )


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
