"""Values of cells and images that a format has no field for: to plain values, and back with checks.

Formats that keep such values keep them under the key `napari_centermask`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.extension import KEY, LARGEST_ID, cell_key
from napari_centermask.io.coco.extension import cell_fields as read_key

if TYPE_CHECKING:
    from napari_centermask.io.image_data import ImageData


def cell_fields(instance: Instance) -> dict[str, Any]:
    """Everything about a cell except its pixels."""
    return cell_key(instance) | {"category": instance.category}


def read_cell_fields(values: Any, *, source: str) -> dict[str, Any]:
    """Arguments for an `Instance` from the values in a file; invalid ones are ignored.

    Parameters
    ----------
    source
        For cells that have none in the file.
    """
    values = values if isinstance(values, dict) else {}
    fields = read_key({KEY: values}, source, bad=_pass_over)
    category = values.get("category")
    return fields | ({"category": int(category)} if is_whole(category) and 1 <= category <= LARGEST_ID else {})


def _pass_over(message: str) -> None:
    """Ignore an invalid value: another program may have changed the file, and nothing is lost but our own field."""


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


def read_name(values: object, default: str) -> str:
    """The image's name: never a path."""
    name = values.get("image") if isinstance(values, dict) else None
    name = name.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(name, str) else ""
    return name if name.strip(". ") and "\0" not in name else default


def read_sizes(values: object, key: str, length: int | None = None) -> tuple[int, ...] | None:
    """A list of positive whole numbers; None if it is something else."""
    sizes = values.get(key) if isinstance(values, dict) else None
    if not isinstance(sizes, list) or (length is not None and len(sizes) != length) or len(sizes) > 4:
        return None
    return tuple(map(int, sizes)) if all(is_whole(n) and n > 0 for n in sizes) else None


def read_categories(values: object) -> dict[int, str]:
    """Category names by id; empty if the file has none."""
    named = values.get("categories") if isinstance(values, dict) else None
    if not isinstance(named, dict):
        return {}
    return {
        int(id): name
        for id, name in named.items()
        if isinstance(name, str) and id.isascii() and id.isdigit() and len(id) < 10 and int(id) > 0
    }


def take_image_fields(result: Result, values: object) -> None:
    """Set a result's reviewed regions, last id and threshold from a file; values that do not fit are ignored."""
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
    own: object, positions: Sequence[tuple[int, int]], image: ImageData | None = None
) -> tuple[tuple[int, ...], list[Index]]:
    """Sizes of the axes before the plane, and the plane of each (t, z) position.

    The sizes are those in the file, else those of the image, else as large as the positions require. A position may lie
    beyond the image's planes.
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
    """A position on an image's axes; with a single axis, the number of the plane whatever the program calls it."""
    if len(axes) == 1:
        return (max(t, z),)
    return tuple({"T": t, "Z": z}.get(axis, 0) for axis in axes)


def position_of(index: Index) -> tuple[int, int]:
    """(t, z) of a plane; a single axis is z."""
    t, z = (0, 0, *index)[-2:]
    return t, z


def category_named(categories: dict[int, str], name: str, own: int | None) -> int:
    """The id of a category: the given one if it has this name, else the first with this name, else a new one."""
    if own is not None and categories.get(own) == name:
        return own
    return next((id for id, known in categories.items() if known == name), max(categories, default=0) + 1)


def place(result: Result, cells: Sequence[tuple[Index, Instance]]) -> None:
    """Put cells from a file into a result, in the order of the file; ids are kept if they are free.

    Parameters
    ----------
    cells
        (plane, `Instance`), inside the image; a cell with id 0 gets a new one.
    """
    taken: set[int] = set()
    wanted = []
    for index, cell in cells:
        free = cell.id not in taken
        taken.add(cell.id)
        wanted.append((index, cell if free else replace(cell, id=0)))
    next_id = max(taken, default=0)
    planes: dict[Index, list[Instance]] = {}
    for index, cell in wanted:
        if cell.id == 0:
            next_id += 1
            cell = replace(cell, id=next_id)
        planes.setdefault(index, []).append(cell)
    for index, members in planes.items():
        cells_there = Instances(result.shape, members, categories=result.categories, are_checked=True)
        result.put(index, cells_there, keep_ids=True)


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, also if written as 3.0."""
    return is_number(value) and value == int(value)


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(map(is_whole, box))
