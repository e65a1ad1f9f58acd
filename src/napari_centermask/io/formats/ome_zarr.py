"""OME-Zarr labels of 0.4 and 0.5: of an image, or of all images of a plate, a well or a collection of bioformats2raw.

https://ngff.openmicroscopy.org/0.4 and /0.5, sections "labels", "plate" and "well". The values of a cell are in its label's
`properties`, those of the image in the attributes of the group `labels`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.compose import from_label_image
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations, BadImage
from napari_centermask.core.instances import Instance
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.cell_correction import finish_left_over
from napari_centermask.io.formats.cell_parts import table_of
from napari_centermask.io.formats.cells_on_disk import entries_of
from napari_centermask.io.formats.labels import image_name, whole_labels
from napari_centermask.io.formats.ome_zarr_writing import write
from napari_centermask.io.formats.reading import LARGEST_PLANE, Allowance, Reading, check_size, refusing
from napari_centermask.io.zarr_groups import attributes, first_dataset, image_names, is_inside, open_group, outer

__all__ = ["read", "write"]

_Stack = tuple[Any, dict[int, dict[str, Any]]]
_MOST_LABELS = 10_000  # label images: a choice; a file that claims more is not believed
_ERRORS = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError),
    BadImage,
)
_WHAT = "OME-Zarr labels"
_LABELS = re.compile(r"(^|/)labels(/.*)?$")


@dataclass(frozen=True)
class _Labelled:
    """An image with labels: its group of labels, and the names of those to read; None for the group itself."""

    name: str
    group: Any
    names: tuple[str | None, ...]
    missing: tuple[str, ...] = ()


def read(
    path: Path, images: Path | None = None, advance: Advance = silent, *, labels: Sequence[str] | None = None
) -> Reading:
    """Cells of all label images of an OME-Zarr image, of its group `labels`, or of a single label image.

    A plate, a well or a collection of images has a result for each image with labels.

    Parameters
    ----------
    labels
        Names of the label images to read; by default all, each as a category.

    Raises
    ------
    BadAnnotations
        If it is damaged, holds no labels or none of the chosen ones, or names a place outside its folder.
    MissingExtra
        Without zarr.
    """
    if not path.is_dir():
        raise BadAnnotations(f"{path} is not an OME-Zarr folder. Check the path.")
    finish_left_over(path)
    with refusing(path, _WHAT, *_ERRORS):
        root = open_group(path)
        found = [_labelled(name, root[name] if name else root) for name in image_names(root)]
    chosen = [image for image in (_choose(path, f, labels) for f in found) if image.names]
    if not chosen:
        raise BadAnnotations(_nothing(path, found, labels))
    is_many = any(len(image.names) > 1 for image in chosen)
    several = list(dict.fromkeys(str(name) for image in chosen for name in image.names)) if is_many else []
    results, notes = [], list[str]()
    for n, image in enumerate(chosen, start=1):
        result, is_ours = _read_image(path, image, several, advance if len(chosen) == 1 else silent)
        results.append(result)
        if len(image.names) > 1 and not is_ours:
            notes.append(f"The {len(image.names)} label images were read as categories: {', '.join(several)}. {_ALONE}")
        if len(chosen) > 1:
            advance(n, len(chosen))
    notes += [f"Label images that are listed but not there: {', '.join(f.missing[:3])}." for f in found if f.missing]
    if without := len(found) - len(chosen):
        notes.append(f"{without:,} of {counted(len(found), 'image')} have no labels to read and were left out.")
    return Reading(tuple(results), tuple(dict.fromkeys(notes)))


_ALONE = "To read one alone, choose its folder in labels/, or its name with --labels."


def _nothing(path: Path, found: Sequence[_Labelled], labels: Sequence[str] | None) -> str:
    there = sorted({str(name) for image in found for name in image.names if name is not None})
    if labels is None or not there:
        return f"{path.name} has no labels. Is it only the image?"
    return f"{path.name} has no label image {' or '.join(labels)}. Choose from: {', '.join(there[:20])}."


def _labelled(name: str, root: Any) -> _Labelled:
    """An image, and the label images that it has."""
    group = root["labels"] if "labels" in root else root
    known = attributes(group)
    names = known.get("labels")
    if names is None and group is root and "multiscales" in known:
        return _Labelled(name, root, (None,) if "image-label" in known else ())
    if names is None and group is not root:  # some writers leave out the list
        names = sorted(key for key, _ in group.members())
    if not isinstance(names, list) or len(names) > _MOST_LABELS or not all(map(is_inside, names)):
        raise ValueError("its list of labels is damaged")
    there = tuple(n for n in names if n in group)
    return _Labelled(name, group, there, tuple(n for n in names if n not in there))


def _choose(path: Path, image: _Labelled, labels: Sequence[str] | None) -> _Labelled:
    """The image with the label images that are wanted."""
    if labels is None:
        return image
    wanted = (n for n in image.names if (path.name if n is None else n) in labels)
    return replace(image, names=tuple(wanted), missing=())


def _read_image(path: Path, image: _Labelled, several: list[str], advance: Advance) -> tuple[Result, bool]:
    """The cells of one image, and whether its categories are ours and not one for each label image."""
    with refusing(path, _WHAT, *_ERRORS):
        stacks = [_stack(path, image.group if name is None else image.group[name]) for name in image.names]
        own = attributes(image.group).get(KEY)
    if (table := table_of(path, own)) is not None and len(stacks) == len(attributes(image.group).get("labels", ())):
        stacks = [(array, e) for (array, _), e in zip(stacks, entries_of(table, len(stacks)), strict=True)]
    shape, leading = _common(path, [array.shape for array, _ in stacks], own)
    result = Result(shape, leading=leading, name=fields.read_name(own, _image_name(path, image.name)))
    is_ours = isinstance(own, dict)
    numbers = {name: n for n, name in enumerate(several, start=1)}
    categories = [] if is_ours else [numbers.get(str(name), 1) for name in image.names]
    named = {n: name for name, n in numbers.items()} or {1: "cell"}
    result.categories = (fields.read_categories(own) if is_ours else named) or {1: "cell"}
    with refusing(path, _WHAT, *_ERRORS):
        cells = _cells(path, stacks, leading, advance, per_stack=categories)
    fields.place(result, cells)
    fields.take_image_fields(result, own)
    return result, is_ours


def _image_name(path: Path, inside: str) -> str:
    """Name of the image: that of the file, or its path in the file, as "plate.zarr/A/1/0"."""
    file, way = outer(path)
    way = "/".join(filter(None, (_LABELS.sub("", way), inside)))
    return f"{file.name}/{way}" if way else image_name(file)


def _stack(path: Path, label: Any) -> _Stack:
    """The full-size array of a label image, and the properties of its labels."""
    array = label if hasattr(label, "shape") else first_dataset(label)
    *leading, height, width = array.shape
    check_size(path, (height, width), tuple(leading))
    if array.dtype.kind not in "biu":
        raise ValueError(f"labels are {array.dtype}, not whole numbers")
    if math.prod(array.chunks) * array.dtype.itemsize > 4 * LARGEST_PLANE:
        raise ValueError("its chunks are too large")
    about = attributes(label).get("image-label")
    entries = about.get("properties") if isinstance(about, dict) else None
    entries = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    return array, {int(e["label-value"]): e for e in entries if fields.is_whole(e.get("label-value"))}


def _common(path: Path, shapes: list[tuple[int, ...]], own: object) -> tuple[tuple[int, int], tuple[int, ...]]:
    """(H, W) and leading axes; axes of length one are ignored unless they are ours."""
    if len(set(shapes)) > 1:
        raise BadAnnotations(f"The label images in {path.name} differ in size. Split them.")
    *leading, height, width = shapes[0]
    if fields.read_sizes(own, "leading") != tuple(leading):
        leading = [n for n in leading if n > 1]
    return (height, width), tuple(leading)


def _cells(
    path: Path, stacks: list[_Stack], leading: tuple[int, ...], advance: Advance, *, per_stack: Sequence[int]
) -> list[tuple[Index, Instance]]:
    """Cells in the order in which they were written, if known; `per_stack` is the category of each label image."""
    allowance = Allowance(path)
    cells: list[tuple[float, Index, Instance]] = []
    for k, (array, properties) in enumerate(stacks):
        for n, index in enumerate(np.ndindex(*array.shape[:-2])):
            place = tuple(map(int, np.unravel_index(n, leading))) if leading else ()
            found = from_label_image(whole_labels(path, np.asarray(array[index])))
            total = max(sum(len(p) for _, p in stacks), len(cells) + len(found))  # by what the file says of its labels
            for cell in counting(found, total, advance, before=len(cells)):
                allowance.take(cell.mask.size)
                entry = properties.get(cell.id, {})
                values = fields.read_cell_fields(entry.get(KEY), source=path.name)
                values["id"] = values["id"] or cell.id
                if per_stack:
                    values["category"] = per_stack[k]
                rank: Any = entry.get("rank")
                cells.append((rank if fields.is_whole(rank) else math.inf, place, replace(cell, **values)))
    return [(index, cell) for _, index, cell in sorted(cells, key=lambda c: c[0])]
