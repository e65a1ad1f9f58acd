"""Read and write COCO files: every instance is a separate annotation, nothing is lost, everything is checked.

Everything that COCO has no field for is under the key `napari_centermask` of an annotation; see docs/formats.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.io import rle, rle_many
from napari_centermask.io.coco.cell_text import cell_texts
from napari_centermask.io.coco.detectron2 import with_images
from napari_centermask.io.coco.extension import (
    KEY,
    LARGEST_ID,
    cell_fields,
    cell_key,
    is_json,
    is_text,
    plane_fields,
    plane_key,
)
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.masks import LARGEST_FILE, read_mask, read_masks
from napari_centermask.io.image_names import is_file
from napari_centermask.io.rle import Crop
from napari_centermask.io.whole_file import whole_file

FORMAT = 1  # of what we add to COCO; it rises when older versions could not read it
# Pixels of a side: a choice, ten times a slide scanner's; a file that claims more is not believed
LARGEST_SIDE = 1_000_000
_INFO = {"description": "napari-centermask", KEY: {"format": FORMAT}}


def read_coco(path: Path, *, images_root: Path | None = None) -> list[ImageRecord]:
    """Read a COCO instances file.

    Parameters
    ----------
    images_root
        Folder of the images; the file's own folder when not given.

    Raises
    ------
    BadAnnotations
        With the file and the entry, what was expected, what was there, and what to do.
    """
    path = Path(path)
    with paused_collection():
        return parse_coco(load_json(path), path, images_root=images_root)


def parse_coco(
    data: dict[str, Any], path: Path, *, images_root: Path | None = None, advance: Advance = silent
) -> list[ImageRecord]:
    """Read COCO data that were loaded from `path`, or a part of them; otherwise as `read_coco`.

    `advance` is called with the number of annotations read so far, and of all.
    """
    records, categories = image_records(data, path, images_root=images_root)
    items = _objects(path, data, "annotations")
    shapes = {id: record.shape for id, record in records.items()}
    crops = counting(read_masks(items, shapes), len(items), advance)
    crowds, empty = fill(path, zip(items, crops, strict=True), records, categories, set())
    return [replace(r, crowds=tuple(crowds.get(id, ())), n_empty=empty[id]) for id, r in records.items()]


def image_records(
    data: dict[str, Any], path: Path, *, images_root: Path | None = None
) -> tuple[dict[int, ImageRecord], dict[int, str]]:
    """The images of COCO data by their ids, without cells, and the categories; errors as of `read_coco`."""
    root = Path(images_root) if images_root is not None else path.parent
    categories = _categories(path, data)
    records: dict[int, ImageRecord] = {}
    for image in _objects(path, data, "images"):
        record = _image(path, image, root, categories)
        if record.id in records:
            raise BadAnnotations(f"{path.name} has image id {record.id} twice. Renumber the images.")
        records[record.id] = record
    return records, categories


def load_json(path: Path) -> dict[str, Any]:
    """The JSON object of a COCO file; its lists are not checked.

    Raises
    ------
    BadAnnotations
        If there is no such file, it is damaged, or it is something else.
    """
    try:
        data = _loaded(path)
    except FileNotFoundError:
        raise BadAnnotations(f"There is no COCO file at {path}. Check the path.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadAnnotations(f"{path.name} cannot be read as COCO JSON: {error}. Export it again.") from error
    if isinstance(data, list):
        data = with_images(path, data)
    if not isinstance(data, dict) or "images" not in data:
        raise BadAnnotations(
            f"{path.name} is not COCO: it has no 'images' and 'annotations'. Export it as COCO instances."
        )
    return data


def _loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8-sig"))


def _objects(path: Path, data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = data.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadAnnotations(f"'{key}' in {path.name} is not a list of objects. Export it as COCO instances.")
    return items


def _integer(path: Path, item: dict[str, Any], key: str, what: str) -> int:
    value = item.get(key)
    if type(value) is int:
        return value
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadAnnotations(f"'{key}' of {what} in {path.name} must be an integer, not {value!r}. Correct it.")
    return value


def _categories(path: Path, data: dict[str, Any]) -> dict[int, str]:
    categories: dict[int, str] = {}
    for item in _objects(path, data, "categories"):
        id = _integer(path, item, "id", "a category")
        if id in categories:
            raise BadAnnotations(f"{path.name} has category id {id} twice. Renumber the categories.")
        if not 0 < id <= LARGEST_ID:
            raise BadAnnotations(
                f"{path.name} has category id {id}, but ids must be at least 1. Use `napari-centermask convert` to repair it."
            )
        categories[id] = str(item.get("name", id))
        if not is_text(categories[id]):
            raise BadAnnotations(f"The name of category {id} in {path.name} is not text. Correct it.")
    return categories or {1: "cell"}


def _image(path: Path, image: dict[str, Any], root: Path, categories: dict[int, str]) -> ImageRecord:
    id = _integer(path, image, "id", "an image")
    height, width = (_integer(path, image, key, f"image {id}") for key in ("height", "width"))
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise BadAnnotations(
            f"Image {id} in {path.name} has the size {height} x {width}, which is not positive. Correct it."
        )
    shape = height, width
    name = str(image.get("file_name", ""))
    try:
        fields, own = plane_fields(image, shape)
    except ValueError as error:
        raise BadAnnotations(f"Image {id} of {path.name}: {error}. Correct it.") from error
    extra = {k: v for k, v in image.items() if k not in ("id", "file_name", "height", "width", KEY)}
    extra |= {KEY: own} if own else {}
    if not is_json(extra):
        raise BadAnnotations(f"Image {id} of {path.name} has values that JSON cannot hold, such as NaN. Remove them.")
    instances = Instances(shape, categories=categories)
    return ImageRecord(id, name, _inside(path, root, name), shape, instances, extra, **fields)


def _inside(path: Path, root: Path, name: str) -> Path | None:
    """The image's path inside the folder; of an absolute path, as detectron2 writes it, the end that exists there."""
    if not name:
        return None
    pure = PurePosixPath(name.replace("\\", "/"))
    if not pure.parts or ".." in pure.parts:
        raise BadAnnotations(
            f"{path.name} names the image {name!r}, which is outside {root.name or root}. Write names relative to the "
            "images folder."
        )
    if not pure.is_absolute() and ":" not in pure.parts[0]:
        return root / pure
    parts = [part for part in pure.parts if part != "/" and ":" not in part]
    ends = [root.joinpath(*parts[n:]) for n in range(len(parts))]
    return next((end for end in ends if is_file(end)), root / pure.name)


def fill(
    path: Path,
    items: Iterable[tuple[dict[str, Any], Crop | None]],
    records: Mapping[int, ImageRecord],
    categories: dict[int, str],
    seen: set[int],
) -> tuple[dict[int, list[Instance]], Counter[int]]:
    """Add annotations to the cells of their images; returns the crowd regions of each, and how many have no outline.

    Parameters
    ----------
    items
        The annotations, each with its crop from `masks.read_masks`.
    seen
        Ids of annotations that were read before; those of the items are added.

    Raises
    ------
    BadAnnotations
        As `read_coco`.
    """
    crowds: dict[int, list[Instance]] = {}
    empty: Counter[int] = Counter()
    pixels = 0
    for item, crop in items:
        id = _integer(path, item, "id", "an annotation")
        if id in seen:
            raise BadAnnotations(f"{path.name} has annotation id {id} twice. Renumber the annotations.")
        seen.add(id)
        image_id = _integer(path, item, "image_id", f"annotation {id}")
        if image_id not in records:
            raise BadAnnotations(
                f"Annotation {id} of {path.name} belongs to image {image_id}, which is not listed. Add or remove it."
            )
        category = _integer(path, item, "category_id", f"annotation {id}")
        if category not in categories:
            raise BadAnnotations(
                f"Annotation {id} of {path.name} has category {category}, which is not one of {sorted(categories)}. Add it."
            )
        taken = _add(path, item, crop, id, category, records[image_id], crowds.setdefault(image_id, []))
        pixels += taken
        empty[image_id] += not taken
        if pixels > LARGEST_FILE:
            raise BadAnnotations(
                f"The masks of {path.name} need more than {LARGEST_FILE} pixels in memory. Split it into several files."
            )
    return crowds, empty


def is_single_cell(item: dict[str, Any]) -> bool:
    """Whether an annotation is one cell. CVAT marks every painted mask as a crowd; its attributes give it away."""
    attributes = item.get("attributes")
    return not item.get("iscrowd") or (isinstance(attributes, dict) and "occluded" in attributes)


def _add(
    path: Path,
    item: dict[str, Any],
    crop: Crop | None,
    id: int,
    category: int,
    record: ImageRecord,
    crowds: list[Instance],
) -> int:
    """Add an annotation's cell to its record, or its region to the crowds; returns the pixels of its box."""
    try:
        crop = crop or read_mask(item.get("segmentation"), record.shape)
        if crop is None:
            return 0  # without an outline, there is nothing to keep
        y0, x0, mask = crop
        cell = Instance(y0=y0, x0=x0, mask=mask, category=category, **cell_fields(item, path.name))
        if is_single_cell(item):
            record.instances.add(cell, is_checked=True)
        else:
            crowds.append(cell)
    except ValueError as error:
        raise BadAnnotations(f"Annotation {id} of {path.name}: {error}. Correct or export it again.") from error
    return mask.size


def check_images(path: Path, records: Iterable[ImageRecord]) -> None:
    """Make sure that all images exist.

    Raises
    ------
    BadAnnotations
        With the first missing ones.
    """
    missing = [r.file_name or f"id {r.id}" for r in records if r.path is None or not is_file(r.path)]
    if missing:
        shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        raise BadAnnotations(
            f"{Path(path).name} lists {counted(len(missing), 'image')} that cannot be found: {shown}. "
            "Put them into the folder images/ or correct the file names."
        )


def annotation(
    instance: Instance,
    shape: tuple[int, int],
    *,
    id: int,
    image_id: int,
    polygons: float | None = None,
    counts: str | None = None,
) -> dict[str, Any]:
    """A cell as a COCO annotation: RLE with ASCII counts, or polygons with this tolerance in pixels.

    `counts` are those of `rle_many`, where many cells were encoded at once.
    """
    y0, x0, y1, x1 = instance.box
    if polygons is None:
        counts = counts if counts is not None else rle.compress(rle.encode(instance, shape))
        segmentation: Any = {"size": list(shape), "counts": counts}
    else:
        from napari_centermask.io.coco.polygons import polygons_of

        segmentation = polygons_of(instance, tolerance=polygons)
    return {
        "id": id,
        "image_id": image_id,
        "category_id": instance.category,
        "segmentation": segmentation,
        "area": float(instance.area),
        "bbox": [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
        "iscrowd": 0,
        "score": float(instance.score),
        KEY: cell_key(instance),
    }


def crowd_annotation(region: Instance, record: ImageRecord, *, id: int) -> dict[str, Any]:
    """A region of many cells as a COCO annotation; it is no cell, so it has no score and nothing of ours."""
    whole = annotation(region, record.shape, id=id, image_id=record.id)
    return {k: v for k, v in whole.items() if k not in ("score", KEY)} | {"iscrowd": 1}


def to_coco(records: Iterable[ImageRecord], *, polygons: float | None = None) -> dict[str, Any]:
    """Records as a COCO dictionary; annotation ids count from 1; `polygons` as in `write_coco`."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[int, str] = {}
    for record in records:
        categories |= record.instances.categories
        images.append(image_entry(record))
        cells = list(record.instances)
        texts: Iterable[str | None] = rle_many.encode(cells, record.shape) if polygons is None else [None] * len(cells)
        annotations += [
            annotation(cell, record.shape, id=id, image_id=record.id, polygons=polygons, counts=counts)
            for id, (cell, counts) in enumerate(zip(cells, texts, strict=True), start=len(annotations) + 1)
        ]
        first = len(annotations) + 1
        annotations += [crowd_annotation(c, record, id=id) for id, c in enumerate(record.crowds, start=first)]
    return {"info": _INFO, "images": images, "annotations": annotations, "categories": _named(categories)}


def _named(categories: dict[int, str]) -> list[dict[str, Any]]:
    return [{"id": id, "name": name, "supercategory": "cell"} for id, name in sorted(categories.items())]


def image_entry(record: ImageRecord) -> dict[str, Any]:
    """The entry of an image record under `images`."""
    height, width = record.shape
    own = record.extra.get(KEY, {}) | plane_key(record)
    entry = {"id": record.id, "file_name": record.file_name, "height": height, "width": width} | record.extra
    return entry | ({KEY: own} if own else {})


def joined(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Join dictionaries of `to_coco` with the same categories; images and annotations get new numbers."""
    whole = to_coco([])
    categories: dict[int, dict[str, Any]] = {}
    for part in parts:
        ids = {image["id"]: len(whole["images"]) + n for n, image in enumerate(part["images"], start=1)}
        whole["images"] += [image | {"id": ids[image["id"]]} for image in part["images"]]
        first = len(whole["annotations"]) + 1
        whole["annotations"] += [
            cell | {"id": n, "image_id": ids[cell["image_id"]]}
            for n, cell in enumerate(part["annotations"], start=first)
        ]
        categories |= {item["id"]: item for item in part["categories"]}
    return whole | {"categories": [categories[id] for id in sorted(categories)]}


def write_coco(
    path: Path, records: Iterable[ImageRecord], *, polygons: float | None = None, advance: Advance = silent
) -> None:
    """Write a COCO file, whole or not at all.

    Parameters
    ----------
    polygons
        Write polygons that differ from the outline by at most this many pixels, instead of RLE, which is exact and
        smaller. `coco.polygons.polygon_loss` counts what they lose; with 0, pycocotools loses nothing.
    advance
        Called with the number of cells written so far, and of all.
    """
    if polygons is not None:
        write_json(path, to_coco(records, polygons=polygons))
        return
    records = list(records)
    texts = counting(_cell_texts(records), sum(len(r.instances) + len(r.crowds) for r in records), advance)
    categories = {id: name for record in records for id, name in record.instances.categories.items()}
    info, images, named = (
        json.dumps(part, allow_nan=False) for part in (_INFO, list(map(image_entry, records)), _named(categories))
    )
    with whole_file(path) as part, part.open("w", encoding="ascii") as stream:
        stream.write(f'{{"info": {info}, "images": {images}, "annotations": [')
        for n, text in enumerate(texts):
            stream.write(f", {text}" if n else text)
        stream.write(f'], "categories": {named}}}')


def _cell_texts(records: Iterable[ImageRecord]) -> Iterator[str]:
    id = 1
    for record in records:
        yield from cell_texts(record, first_id=id)
        id += len(record.instances)
        yield from (
            json.dumps(crowd_annotation(crowd, record, id=n)) for n, crowd in enumerate(record.crowds, start=id)
        )
        id += len(record.crowds)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a COCO dictionary, whole or not at all."""
    text = json.dumps(data, allow_nan=False)  # in one go: several times as fast as json.dump
    with whole_file(path) as part:
        part.write_text(text, encoding="ascii")
