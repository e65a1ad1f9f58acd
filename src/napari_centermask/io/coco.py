"""COCO files, both ways: every instance its own annotation, nothing lost, everything checked.

What COCO has no field for stands under the key `napari_centermask` of an annotation; docs/formats.md describes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..core.errors import BadAnnotations
from ..core.instances import Instance, Instances
from . import rle

KEY = "napari_centermask"
LARGEST_SIDE = 1_000_000
_OWN = ("mask_quality", "status", "source", "order")


@dataclass(frozen=True)
class ImageRecord:
    """One image of a COCO file.

    Attributes
    ----------
    id, file_name
        As in the file.
    path
        Where the image should lie; None if it has no file name.
    shape
        (H, W).
    instances
        Its cells.
    extra
        All other fields of the image.
    """

    id: int
    file_name: str
    path: Path | None
    shape: tuple[int, int]
    instances: Instances
    extra: dict[str, Any] = field(default_factory=dict)


def read_coco(path: Path, *, images_root: Path | None = None) -> list[ImageRecord]:
    """Read a COCO instances file.

    Parameters
    ----------
    images_root
        Folder of the images; the file's own folder when not given.

    Raises
    ------
    BadAnnotations
        Naming the file and the entry, what was expected, what came and what to do.
    """
    path = Path(path)
    data = _load(path)
    root = Path(images_root) if images_root is not None else path.parent
    categories = _categories(path, data)
    records: dict[int, ImageRecord] = {}
    for image in _objects(path, data, "images"):
        record = _image(path, image, root, categories)
        if record.id in records:
            raise BadAnnotations(
                f"Expected each image id once, {path.name} has image id {record.id} twice. Renumber them."
            )
        records[record.id] = record
    _fill(path, data, records, categories)
    return list(records.values())


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadAnnotations(f"Expected a COCO file at {path}, there is none. Check the path.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadAnnotations(
            f"Expected a COCO JSON file, {path.name} cannot be read: {error}. Export it again."
        ) from error
    if not isinstance(data, dict) or "images" not in data:
        raise BadAnnotations(
            f"Expected COCO with 'images' and 'annotations', {path.name} has neither. Export it as COCO instances."
        )
    return data


def _objects(path: Path, data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = data.get(key, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadAnnotations(f"Expected '{key}' of {path.name} to be a list of objects. Export it as COCO instances.")
    return items


def _integer(path: Path, item: dict[str, Any], key: str, what: str) -> int:
    value = item.get(key)
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadAnnotations(
            f"Expected a whole number for '{key}' of {what} in {path.name}, got {value!r}. Correct it."
        )
    return value


def _categories(path: Path, data: dict[str, Any]) -> dict[int, str]:
    categories: dict[int, str] = {}
    for item in _objects(path, data, "categories"):
        id = _integer(path, item, "id", "a category")
        if id in categories:
            raise BadAnnotations(
                f"Expected each category id once, {path.name} has category id {id} twice. Renumber them."
            )
        categories[id] = str(item.get("name", id))
    return categories or {1: "cell"}


def _image(path: Path, image: dict[str, Any], root: Path, categories: dict[int, str]) -> ImageRecord:
    id = _integer(path, image, "id", "an image")
    height, width = (_integer(path, image, key, f"image {id}") for key in ("height", "width"))
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise BadAnnotations(
            f"Expected a positive height and width for image {id} in {path.name}, got {height} x {width}. Correct the sizes."
        )
    name = str(image.get("file_name", ""))
    extra = {k: v for k, v in image.items() if k not in ("id", "file_name", "height", "width")}
    instances = Instances((height, width), categories=categories)
    return ImageRecord(id, name, _inside(path, root, name), (height, width), instances, extra)


def _inside(path: Path, root: Path, name: str) -> Path | None:
    """The image's path, refused if it leaves the folder."""
    if not name:
        return None
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        raise BadAnnotations(
            f"Expected image names inside {root.name or root}, {path.name} names {name!r}, which leads out of it. "
            "Write names relative to the images folder."
        )
    return root / pure


def _fill(path: Path, data: dict[str, Any], records: dict[int, ImageRecord], categories: dict[int, str]) -> None:
    seen: set[int] = set()
    for item in _objects(path, data, "annotations"):
        id = _integer(path, item, "id", "an annotation")
        if id in seen:
            raise BadAnnotations(
                f"Expected each annotation id once, {path.name} has annotation id {id} twice. Renumber them."
            )
        seen.add(id)
        image_id = _integer(path, item, "image_id", f"annotation {id}")
        if image_id not in records:
            raise BadAnnotations(
                f"Annotation {id} of {path.name} belongs to image {image_id}, which is not listed. Add or remove it."
            )
        category = _integer(path, item, "category_id", f"annotation {id}")
        if category not in categories:
            raise BadAnnotations(
                f"Annotation {id} of {path.name} has category {category}; expected one of {sorted(categories)}. Add the category."
            )
        if not item.get("iscrowd"):
            _add(path, item, id, category, records[image_id])


def _add(path: Path, item: dict[str, Any], id: int, category: int, record: ImageRecord) -> None:
    what = f"annotation {id} of {path.name}"
    crop = _mask(item.get("segmentation"), record.shape, what)
    if crop is None:
        return  # nothing is drawn, so there is nothing to keep
    own = item.get(KEY) if isinstance(item.get(KEY), dict) else {}
    fields = {k: own[k] for k in _OWN if k in own}
    y0, x0, mask = crop
    record.instances.add(
        Instance.from_mask(
            mask,
            (y0, x0),
            id=int(own.get("id", 0)),
            category=category,
            score=float(item.get("score", 1.0)),
            **({"status": "accepted", "source": path.name} | fields),
        )
    )


def _mask(segmentation: Any, shape: tuple[int, int], what: str) -> tuple[int, int, np.ndarray] | None:
    if isinstance(segmentation, list):
        return _polygons(segmentation, shape, what)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise BadAnnotations(
            f"Expected polygons or RLE for the segmentation of {what}, got {type(segmentation).__name__}."
        )
    size = segmentation.get("size")
    if list(size or []) != list(shape):
        raise BadAnnotations(
            f"Expected an RLE size of {list(shape)} for {what}, got {size}. Correct the image's size or the RLE."
        )
    counts = segmentation["counts"]
    try:
        runs = rle.decompress(counts) if isinstance(counts, str) else [int(c) for c in counts]
        return rle.decode(runs, shape)
    except (TypeError, ValueError) as error:
        raise BadAnnotations(f"The RLE of {what} is damaged: {error}. Export it again.") from error


def _polygons(polygons: list[Any], shape: tuple[int, int], what: str) -> tuple[int, int, np.ndarray] | None:
    """Union of the polygons, rasterised by pycocotools in the window of their box."""
    from pycocotools import mask as coco_mask

    parts = []
    for polygon in polygons:
        values = np.asarray(polygon, dtype=float).ravel() if isinstance(polygon, list) else np.empty(0)
        if len(values) < 6 or len(values) % 2 or not np.isfinite(values).all():
            raise BadAnnotations(
                f"Expected polygons of at least three x, y points for {what}, got {len(values)} numbers."
            )
        parts.append(values.reshape(-1, 2))
    if not parts:
        return None
    points = np.concatenate(parts)
    low = np.floor(np.clip(points.min(axis=0), 0, [shape[1], shape[0]])).astype(int)
    high = np.ceil(np.clip(points.max(axis=0), 0, [shape[1], shape[0]])).astype(int) + 1
    high = np.minimum(high, [shape[1], shape[0]])
    if (high <= low).any():
        return None
    moved = [(part - low).ravel().tolist() for part in parts]
    encoded = coco_mask.frPyObjects(moved, int(high[1] - low[1]), int(high[0] - low[0]))
    mask = coco_mask.decode(coco_mask.merge(encoded)).astype(bool)
    return (int(low[1]), int(low[0]), mask) if mask.any() else None


def check_images(path: Path, records: Iterable[ImageRecord]) -> None:
    """Make sure that all images exist.

    Raises
    ------
    BadAnnotations
        Naming the first missing ones.
    """
    missing = [r.file_name or f"id {r.id}" for r in records if r.path is None or not r.path.is_file()]
    if missing:
        shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        raise BadAnnotations(
            f"Expected the images of {Path(path).name} beside it, {len(missing)} are missing: {shown}. "
            "Put them into the folder images/ or correct the file names."
        )


def annotation(instance: Instance, shape: tuple[int, int], *, id: int, image_id: int) -> dict[str, Any]:
    """One cell as a COCO annotation, RLE with ASCII counts."""
    y0, x0, y1, x1 = instance.box
    return {
        "id": id,
        "image_id": image_id,
        "category_id": instance.category,
        "segmentation": {"size": list(shape), "counts": rle.compress(rle.encode(instance, shape))},
        "area": float(instance.area),
        "bbox": [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
        "iscrowd": 0,
        "score": float(instance.score),
        KEY: {"id": instance.id} | {k: getattr(instance, k) for k in _OWN},
    }


def to_coco(records: Iterable[ImageRecord]) -> dict[str, Any]:
    """Records as a COCO dictionary; annotation ids count from 1."""
    images, annotations, categories = [], [], {}
    for record in records:
        categories |= record.instances.categories
        height, width = record.shape
        images.append({"id": record.id, "file_name": record.file_name, "height": height, "width": width} | record.extra)
        for instance in record.instances:
            annotations.append(annotation(instance, record.shape, id=len(annotations) + 1, image_id=record.id))
    named = [{"id": id, "name": name, "supercategory": "cell"} for id, name in sorted(categories.items())]
    return {
        "info": {"description": "napari-centermask"},
        "images": images,
        "annotations": annotations,
        "categories": named,
    }


def write_coco(path: Path, records: Iterable[ImageRecord]) -> None:
    """Write a COCO file under a temporary name and rename it, so that no half file is ever seen."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            json.dump(to_coco(records), stream, allow_nan=False)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
