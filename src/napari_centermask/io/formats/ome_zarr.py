"""OME-Zarr labels: overlapping cells go to different label images, so masks are kept exactly.

Written as OME-NGFF 0.4 (https://ngff.openmicroscopy.org/0.4), section "labels"; 0.5 is read too. The values of a cell are in
its label's `properties`, those of the image in the attributes of the group `labels`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.compose import from_label_image, pack_planes
from napari_centermask.core.errors import BadAnnotations, BadImage, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.instances import Instance
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.labels import image_name, whole_labels
from napari_centermask.io.formats.reading import LARGEST_PLANE, Allowance, Reading, check_size, refusing
from napari_centermask.io.whole_file import whole_file

_Stack = tuple[Any, dict[int, dict[str, Any]]]
_VERSION = "0.4"
_CHUNK = 1024  # side of a chunk: a choice, 4 MB of int32
_MOST_LABELS = 10_000  # label images: a choice; a file that claims more is not believed
_ERRORS = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError),
    BadImage,
)


def _zarr() -> Any:
    try:
        import zarr
    except ImportError:
        raise MissingExtra(f"OME-Zarr needs the package zarr: {how_to_install('formats')}") from None
    return zarr


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of all label images of an OME-Zarr image, of its group `labels`, or of a single label image.

    Raises
    ------
    BadAnnotations
        If it is damaged, holds no labels, or names a place outside its folder.
    MissingExtra
        Without zarr.
    """
    zarr = _zarr()
    if not path.is_dir():
        raise BadAnnotations(f"{path} is not an OME-Zarr folder. Check the path.")
    with refusing(path, "OME-Zarr labels", *_ERRORS):
        group, listed = _labels(path, _root(zarr, path))
        names = [name for name in listed if name is None or name in group]
        missing = [str(name) for name in listed if name not in names]
        stacks = [_stack(path, group if name is None else group[name]) for name in names]
        own = _attributes(group).get(KEY)
    if not stacks:
        raise BadAnnotations(f"{path.name} has no labels. Is it only the image?")
    shape, leading = _common(path, [array.shape for array, _ in stacks], own)
    result = Result(shape, leading=leading, name=fields.read_name(own, image_name(path)))
    categories, notes = _categories(own, names)
    result.categories = categories
    with refusing(path, "OME-Zarr labels", *_ERRORS):
        cells = _cells(path, stacks, leading, advance, per_stack=bool(notes))
    fields.place(result, cells)
    fields.take_image_fields(result, own)
    gone = (f"Label images that are listed but not there: {', '.join(missing[:3])}.",) if missing else ()
    return Reading((result,), (*notes, *gone))


def _root(zarr: Any, path: Path) -> Any:
    """The group of a folder; `ValueError` if it holds a single array, which says nothing about axes or labels."""
    root = zarr.open(store=str(path), mode="r")
    if hasattr(root, "shape"):
        raise ValueError("it is a single array, without the groups of OME-Zarr")
    return root


def _categories(own: object, names: Sequence[str | None]) -> tuple[dict[int, str], tuple[str, ...]]:
    """Our categories if the file has them; else one for each label image, with a note if there are several."""
    if isinstance(own, dict):
        return fields.read_categories(own) or {1: "cell"}, ()
    if len(names) < 2:
        return {1: "cell"}, ()
    named = {n: str(name) for n, name in enumerate(names, start=1)}
    return named, (f"The {len(names)} label images were read as categories: {', '.join(named.values())}.",)


def _attributes(node: Any) -> dict[str, Any]:
    """The attributes; in OME-Zarr 0.5, those under "ome" and our own."""
    attributes = dict(node.attrs)
    ome = attributes.get("ome")
    return attributes | ome if isinstance(ome, dict) else attributes


def _labels(path: Path, root: Any) -> tuple[Any, list[str | None]]:
    """The group that holds the label images, and their names; None for the group itself."""
    root = _image_group(path, root)
    attributes = _attributes(root)
    group = root["labels"] if "labels" in root else root
    names = _attributes(group).get("labels")
    if names is None and group is root and "multiscales" in attributes:
        return (root, [None]) if "image-label" in attributes else (root, [])
    if names is None and group is not root:  # some writers leave out the list
        names = sorted(key for key, _ in group.members())
    if not isinstance(names, list) or len(names) > _MOST_LABELS or not all(map(_is_inside, names)):
        raise ValueError("its list of labels is damaged")
    return group, names


def _image_group(path: Path, root: Any) -> Any:
    """The group of the only image."""
    attributes = _attributes(root)
    if "well" in attributes and "plate" not in attributes:
        raise BadAnnotations(f"{path.name} is a well with an image for each field. Choose one of them: {path.name}/0.")
    if "plate" in attributes:
        raise BadAnnotations(
            f"{path.name} is a plate with an image for each field of each well. Choose one of them: {path.name}/A/1/0."
        )
    if "bioformats2raw.layout" not in attributes:
        return root
    images = sorted(key for key, member in root.members() if key != "OME" and not hasattr(member, "shape"))
    if len(images) == 1:
        return root[images[0]]
    raise BadAnnotations(
        f"{path.name} holds {len(images)} images, as bioformats2raw writes them. Choose one of them: {path.name}/{images[0]}."
        if images
        else f"{path.name} has no image. Convert it again with bioformats2raw."
    )


def _is_inside(name: object) -> bool:
    return isinstance(name, str) and bool(name) and not {"", ".", ".."} & set(name.replace("\\", "/").split("/"))


def _stack(path: Path, label: Any) -> _Stack:
    """The full-size array of a label image, and the properties of its labels."""
    attributes = _attributes(label)
    if hasattr(label, "shape"):
        array = label
    else:
        scales = attributes.get("multiscales")
        at = scales[0]["datasets"][0]["path"] if scales else "0"  # as all writers name the full size
        if not _is_inside(at):
            raise ValueError("a label image is outside the folder")
        array = label[at]
    *leading, height, width = array.shape
    check_size(path, (height, width), tuple(leading))
    if array.dtype.kind not in "biu":
        raise ValueError(f"labels are {array.dtype}, not whole numbers")
    if math.prod(array.chunks) * array.dtype.itemsize > 4 * LARGEST_PLANE:
        raise ValueError("its chunks are too large")
    about = attributes.get("image-label")
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
    path: Path, stacks: list[_Stack], leading: tuple[int, ...], advance: Advance, *, per_stack: bool
) -> list[tuple[Index, Instance]]:
    """Cells in the order in which they were written, if known; each label image is a category unless the file has ours."""
    allowance = Allowance(path)
    cells: list[tuple[float, Index, Instance]] = []
    for category, (array, properties) in enumerate(stacks, start=1):
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
                    values["category"] = category
                rank: Any = entry.get("rank")
                cells.append((rank if fields.is_whole(rank) else math.inf, place, replace(cell, **values)))
    return [(index, cell) for _, index, cell in sorted(cells, key=lambda c: c[0])]


def write(path: Path, results: Sequence[Result], advance: Advance = silent) -> None:
    """Write a group `labels` with the label images `cells_0`, `cells_1`, ...

    Raises
    ------
    MissingExtra
        Without zarr.
    """
    zarr = _zarr()
    (result,) = results
    with whole_file(path) as part:
        labels = zarr.open_group(store=str(part), mode="w", zarr_format=2).create_group("labels")
        layers: list[_Layer] = []
        rank = 0
        for index in np.ndindex(*result.leading):
            plane = result.plane(index)
            packed, plane_of = pack_planes(plane)
            while len(layers) < len(packed):
                layers.append(_Layer(labels, result, f"cells_{len(layers)}"))
            for layer, values in zip(layers, packed, strict=False):
                layer.array[index] = values
            for cell in counting(plane, len(result), advance, before=rank):
                layers[plane_of[cell.id]].properties.append(_properties(cell, rank))
                rank += 1
        for layer in layers:
            layer.close()
        names = [f"cells_{n}" for n in range(len(layers))]
        labels.attrs.update({"labels": names, KEY: fields.image_fields(result)})


def _properties(cell: Instance, rank: int) -> dict[str, Any]:
    return {"label-value": cell.id, "rank": rank, KEY: fields.cell_fields(cell)}


class _Layer:
    """A label image that is being written, with the attributes that the specification asks for."""

    def __init__(self, labels: Any, result: Result, name: str) -> None:
        from numcodecs import Zlib  # what every reader of Zarr knows; it comes with zarr

        self.group = labels.create_group(name)
        self.properties: list[dict[str, Any]] = []
        axes = [{"name": a, "type": "time" if a == "t" else "space"} for a in "tzyx"[2 - len(result.leading) :]]
        datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0] * len(axes)}]}]
        self.group.attrs["multiscales"] = [{"version": _VERSION, "name": name, "axes": axes, "datasets": datasets}]
        self.array = self.group.create_array(
            "0",
            shape=(*result.leading, *result.shape),
            chunks=(*(1 for _ in result.leading), *(min(n, _CHUNK) for n in result.shape)),
            dtype="int32",
            fill_value=0,
            compressors=Zlib(1),
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )

    def close(self) -> None:
        """Describe the labels."""
        about = {"version": _VERSION, "properties": self.properties, "source": {"image": "../../"}}
        self.group.attrs["image-label"] = about
