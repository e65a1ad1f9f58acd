"""What the formats have no place for: of a cell and of an image, as plain values, and back with all doubts.

Formats that keep such values keep them under the key `napari_centermask`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.extension import KEY, LARGEST_ID, cell_key
from napari_centermask.io.coco.extension import cell_fields as read_key

if TYPE_CHECKING:
    from napari_centermask.io.image_data import ImageData


def cell_fields(instance: Instance) -> dict[str, Any]:
    """All of a cell but its pixels."""
    return cell_key(instance) | {"category": instance.category}


def read_cell_fields(values: Any, *, source: str) -> dict[str, Any]:
    """Arguments for an `Instance` out of what a file says; values that cannot be are passed over.

    Parameters
    ----------
    source
        Of cells that do not tell theirs.
    """
    values = values if isinstance(values, dict) else {}
    fields = read_key({KEY: values}, source, bad=_pass_over)
    category = values.get("category")
    return fields | ({"category": int(category)} if is_whole(category) and 1 <= category <= LARGEST_ID else {})


def _pass_over(message: str) -> None:
    """What is wrong with our own values in a file that another program changed is not worth a word."""


def image_fields(result: Result) -> dict[str, Any]:
    """Name, size, categories and reviewed regions of a result."""
    regions = [{"plane": list(i), "boxes": [list(b) for b in boxes]} for i, boxes in result.reviewed_planes.items()]
    return {
        "image": result.name,
        "shape": list(result.shape),
        "leading": list(result.leading),
        "categories": {str(id): name for id, name in result.categories.items()},
        "reviewed_regions": regions,
        "last_id": result.last_id,
        "threshold": float(result.threshold),
    }


def read_name(values: Any, default: str) -> str:
    """The image's name: never a path."""
    name = values.get("image") if isinstance(values, dict) else None
    name = name.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(name, str) else ""
    return name if name.strip(". ") and "\0" not in name else default


def read_sizes(values: Any, key: str, length: int | None = None) -> tuple[int, ...] | None:
    """A list of positive whole numbers, None if it is not one."""
    sizes = values.get(key) if isinstance(values, dict) else None
    if not isinstance(sizes, list) or (length is not None and len(sizes) != length) or len(sizes) > 4:
        return None
    return tuple(map(int, sizes)) if all(is_whole(n) and n > 0 for n in sizes) else None


def read_categories(values: Any) -> dict[int, str]:
    """Category names by id; empty if the file has none."""
    named = values.get("categories") if isinstance(values, dict) else None
    if not isinstance(named, dict):
        return {}
    return {
        int(id): name
        for id, name in named.items()
        if isinstance(name, str) and id.isascii() and id.isdigit() and len(id) < 10 and int(id) > 0
    }


def take_image_fields(result: Result, values: Any) -> None:
    """Give a result the reviewed regions, last id and threshold that a file tells; what does not fit is passed over."""
    values = values if isinstance(values, dict) else {}
    if is_number(values.get("threshold")) and 0 <= values["threshold"] <= 1:
        result.threshold = float(values["threshold"])
    if is_whole(values.get("last_id")) and 0 <= values["last_id"] <= LARGEST_ID:
        result.reserve(int(values["last_id"]))
    entries = values.get("reviewed_regions")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("plane"), list):
            continue
        boxes = entry.get("boxes")
        boxes = [b for b in boxes if _is_box(b)] if isinstance(boxes, list) else []
        if all(map(is_whole, entry["plane"])):
            try:
                result.set_reviewed(tuple(map(int, entry["plane"])), boxes)
            except ValueError:
                continue


def planes_of(
    own: Any, positions: Sequence[tuple[int, int]], image: ImageData | None = None
) -> tuple[tuple[int, ...], list[Index]]:
    """Sizes of the axes before the plane, and the plane of each (t, z) position.

    Sizes are those that the file tells, else those of the image; without either, of the axes that are used, as far as they
    are. A position may lie beyond the image's planes.
    """
    stored = own.get("leading") if isinstance(own, dict) else None
    leading = () if stored == [] else read_sizes(own, "leading")
    if leading is not None and len(leading) <= 2:
        return leading, [p[2 - len(leading) :] for p in positions]
    if image is not None:
        axes = [a for a in image.axes if a not in "CSYX"]
        return image.leading, [_index_on(axes, t=t, z=z) for t, z in positions]
    most = tuple(max((p[axis] for p in positions), default=0) for axis in (0, 1))
    used = [axis for axis in (0, 1) if most[axis]]
    return tuple(most[a] + 1 for a in used), [tuple(p[a] for a in used) for p in positions]


def _index_on(axes: Sequence[str], *, t: int, z: int) -> Index:
    """A position on an image's axes; where there is one axis, the number of the plane whatever the program calls it."""
    if len(axes) == 1:
        return (max(t, z),)
    return tuple({"T": t, "Z": z}.get(axis, 0) for axis in axes)


def position_of(index: Index) -> tuple[int, int]:
    """(t, z) of a plane; a single axis is z."""
    t, z = (0, 0, *index)[-2:]
    return t, z


def category_named(categories: dict[int, str], name: str, own: int | None) -> int:
    """The id of a category: its own if that has this name, else the first of this name, else a new one."""
    if own is not None and categories.get(own) == name:
        return own
    return next((id for id, known in categories.items() if known == name), max(categories, default=0) + 1)


def place(result: Result, cells: Sequence[tuple[Index, Instance]]) -> None:
    """Put cells that were read into a result: in the order of the file, ids kept where they are free.

    Parameters
    ----------
    cells
        (plane, `Instance`); an id of 0 asks for a new one.
    """
    taken: set[int] = set()
    wanted = []
    for index, cell in cells:
        free = cell.id not in taken
        taken.add(cell.id)
        wanted.append((index, cell if free else replace(cell, id=0)))
    next_id = max(taken, default=0)
    for index, cell in wanted:
        if cell.id == 0:
            next_id += 1
            cell = replace(cell, id=next_id)
        result.set(index, cell.id, cell)


def is_number(value: Any) -> bool:
    """A finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """A whole number, also when written as 3.0."""
    return is_number(value) and value == int(value)


def _is_box(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(map(is_whole, box))
