"""Import COCO files of other programs: repair what can be repaired, leave out the rest, and report both.

Seen so far: CVAT (masks marked as crowds), Label Studio (ids from 0, paths of its server), Roboflow (an empty category 0,
hashes in names), LIVECell (annotations as a table of string ids), and files written by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadAnnotations, BadImage
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.later_instances import LaterInstances
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.io.coco.categories import Categories, key_of, whole
from napari_centermask.io.coco.document import LARGEST_SIDE, is_single_cell, load_json
from napari_centermask.io.coco.extension import KEY, cell_fields, is_json, plane_fields
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.masks import LARGEST_FILE, read_masks
from napari_centermask.io.coco.parted import Parted
from napari_centermask.io.coco.repair import Repaired, repair_mask
from napari_centermask.io.coco.report import ImportReport
from napari_centermask.io.image_names import Find, ImageFinder, clean_name
from napari_centermask.io.images import plane_shape
from napari_centermask.io.rle import Crop

CROWDS = ("auto", "cells", "leave out")


@dataclass(frozen=True)
class Imported:
    """Records of an import, and the report about it."""

    records: list[ImageRecord]
    report: ImportReport


def import_coco(
    path: Path,
    *,
    images_root: Path | None = None,
    find: Find | None = None,
    known: Find | None = None,
    crowds: str = "auto",
    boxes: bool = False,
    data: dict[str, Any] | Parted | None = None,
    advance: Advance = silent,
) -> Imported:
    """Read a COCO file that may not follow the rules.

    Nothing else is changed; `coco.merge.merge` adds the records to a project.

    Parameters
    ----------
    images_root
        Folder of the images; by default the folder of the file. No path in the file can lead out of it.
    find
        Asks for an image that is missing: takes the name; returns the file, a folder to look in, or None.
    known
        Returns the file of an image that a project already has; tried before `find`.
    crowds
        Regions with `iscrowd`: "cells" reads each as a cell, "leave out" none; "auto" reads those of CVAT, which marks
        every painted mask so.
    boxes
        Read annotations that have only a box as cells that fill it.
    data
        The file's content, where `load_json` has read it already; or the file in parts, whose cells are then `LaterInstances`.
    advance
        Called with the number of annotations read so far, and of all.

    Raises
    ------
    BadAnnotations
        If the file cannot be read at all, names no image, or its masks need too much memory.
    """
    if crowds not in CROWDS:
        raise ValueError(f"crowds must be one of {CROWDS}, not {crowds!r}.")
    path = Path(path)
    finder = ImageFinder(images_root if images_root is not None else path.parent, find, known)
    work = _Import(path, finder, crowds, boxes)
    return work.run(load_json(path) if data is None else data, advance)


class _Import:
    """One import; reads the parts of the file in the order in which they depend on each other."""

    def __init__(self, path: Path, finder: ImageFinder, crowds: str, boxes: bool) -> None:
        self.path, self.finder, self.crowds, self.boxes = path, finder, crowds, boxes
        self.report = ImportReport(path.name)
        self.records: dict[Any, ImageRecord] = {}
        self.pixels = 0
        self.seen: set[tuple[object, ...]] = set()
        self.crowds_of: dict[int, list[Instance]] = {}

    def run(self, data: dict[str, Any] | Parted, advance: Advance) -> Imported:
        whole = data.data if isinstance(data, Parted) else data
        images = self._objects(whole, "images")
        if not images:
            raise BadAnnotations(f"{self.path.name} lists no images. Export annotations and images together as COCO.")
        by_image: Mapping[Any, list[dict[str, Any]]] = data if isinstance(data, Parted) else self._by_image(data)
        used = data.categories if isinstance(data, Parted) else _categories_of(by_image)
        self.categories = Categories(self._objects(whole, "categories"), used, self.report)
        self._images(images, by_image)
        if isinstance(data, Parted):
            records = self._in_parts(data, advance)
        else:
            self._annotations(by_image, advance)
            records = [replace(r, crowds=tuple(self.crowds_of.get(id(r), ()))) for r in self._different()]
        records = [replace(r, id=n) for n, r in enumerate(records, start=1)]
        for record in records:
            record.instances.categories = dict(self.categories.names)  # including those that only occur in annotations
        self.report.images, self.report.cells = len(records), sum(len(r.instances) for r in records)
        return Imported(records, self.report)

    def _by_image(self, data: dict[str, Any]) -> dict[Any, list[dict[str, Any]]]:
        by_image: dict[Any, list[dict[str, Any]]] = {}
        for item in self._objects(data, "annotations"):
            by_image.setdefault(key_of(item.get("image_id")), []).append(item)
        return by_image

    def _different(self) -> list[ImageRecord]:
        """The records, each once: an image may be listed under several ids."""
        return list({id(r): r for r in self.records.values()}.values())

    def _annotations(self, by_image: Mapping[Any, list[dict[str, Any]]], advance: Advance) -> None:
        shapes = {key: record.shape for key, record in self.records.items()}
        in_order = [item for items in by_image.values() for item in items]
        crops = counting(read_masks(in_order, shapes), len(in_order), advance)
        for key, items in by_image.items():
            for item in items:
                crop = next(crops)
                if key in self.records:
                    self._annotation(item, self.records[key], crop)
                else:
                    self._without_image(item)
        next(crops, None)  # the last word on how many are read

    def _without_image(self, item: dict[str, Any]) -> None:
        self.report.refuse("belongs to an image that is not listed or was left out", _name(item))

    def _in_parts(self, data: Parted, advance: Advance) -> list[ImageRecord]:
        """The records, of which only the cells of one are in memory at a time."""
        keys: dict[int, list[Any]] = {}
        for key in data:  # in this order, as categories get their numbers where they are met
            if key in self.records:
                keys.setdefault(id(self.records[key]), []).append(key)
        done, filled = 0, {}
        for own in keys.values():
            record, before = self.records[own[0]], self.categories.copy()
            cells, crowds = self.filled(record, own, data)
            read = partial(_read_again, self, before, record, own, data)
            filled[id(record)] = replace(record, instances=LaterInstances(cells, read), crowds=crowds)
            done += sum(map(data.n_of, own))
            advance(done, data.n_annotations)
        for key in data:
            for item in () if key in self.records else data[key]:
                self._without_image(item)
        return [filled.get(id(record), record) for record in self._different()]

    def filled(
        self, record: ImageRecord, keys: Sequence[Any], data: Mapping[Any, list[dict[str, Any]]]
    ) -> tuple[Instances, tuple[Instance, ...]]:
        """The cells and the crowd regions of a record, from the annotations of its ids."""
        own = replace(record, instances=Instances(record.shape))
        self.pixels = 0  # of what is in memory
        for key in keys:
            items = data[key]
            for item, crop in zip(items, read_masks(items, {key: record.shape}), strict=True):
                self._annotation(item, own, crop)
        self.seen.clear()
        own.instances.categories = dict(self.categories.names)
        return own.instances, tuple(self.crowds_of.pop(id(own), ()))

    def _objects(self, data: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """A list of objects, or an object with one for each id, as in LIVECell."""
        items = data.get(key) or []
        if isinstance(items, dict):
            self.report.repair(f"{key} was an object instead of a list")
            items = [{"id": id} | item if isinstance(item, dict) else item for id, item in items.items()]
        if not isinstance(items, list):
            self.report.refuse(f"{key} is not a list")
            return []
        good = [item for item in items if isinstance(item, dict)]
        for n, item in enumerate(items):
            if not isinstance(item, dict):
                self.report.refuse(f"an entry of {key} is not an object", f"number {n + 1}")
        return good

    def _images(self, images: list[dict[str, Any]], by_image: Mapping[Any, list[dict[str, Any]]]) -> None:
        names: dict[Any, str] = {}
        clashing = set()
        for image in images:
            key, name = key_of(image.get("id")), str(image.get("file_name", ""))
            if key is None:
                continue
            if names.setdefault(key, name) != name:
                clashing.add(key)
        self._find([i for i in images if key_of(i.get("id")) not in clashing])
        planes: dict[tuple[object, ...], ImageRecord] = {}
        forms: dict[Any, tuple[object, ...]] = {}
        for image in images:
            key = key_of(image.get("id"))
            if key is None or key in clashing:
                self.report.refuse("an image has no id, or the id of another image", _name(image))
            elif key in self.records:
                self.report.repair("an image was listed twice", _name(image))
            elif (record := self._image(image, partial(_of_image, by_image, key))) is not None:
                form = record.shape, len(record.leading)
                if forms.setdefault(record.file_name or key, form) != form:
                    self.report.refuse("two images of different sizes have the same name", record.file_name)
                    continue
                same = planes.setdefault((record.file_name or key, record.plane), record)
                if same is not record:
                    self.report.repair("an image was listed under several ids", record.file_name)
                self.records[key] = same

    def _find(self, images: list[dict[str, Any]]) -> None:
        """Look for all images; two names never share a file, so that cells do not land on another image."""
        names = dict.fromkeys(_clean(i) for i in images)
        self.paths = {name: self.finder(name) for name in names if name}
        users: dict[Path | None, list[str]] = {}
        for name, path in self.paths.items():
            users.setdefault(path, []).append(name)
        for path, several in users.items():
            exact = [n for n in several if path is not None and self.finder.name_of(path, n) == n]
            if path is not None and len(several) > 1:
                self.paths |= {n: path if [n] == exact else None for n in several}
        self.report.missing += [name for name, path in self.paths.items() if path is None]

    def _image(self, image: dict[str, Any], annotations: Callable[[], list[dict[str, Any]]]) -> ImageRecord | None:
        given = image.get("file_name") or image.get("path") or ""
        name = _clean(image)
        if not name:
            self.report.repair("an image has no file name", _name(image))
        elif name != given:
            self.report.repair("an image was named by a path outside the folder", str(given)[:100])
        path = self.paths.get(name)
        if path is not None:
            name = self.finder.name_of(path, name)
        shape = self._shape(image, annotations, path, name)
        if shape is None:
            return None
        fields, own = plane_fields(image, shape, bad=lambda m: self.report.repair(f"in an image: {m}", name))
        extra = {k: v for k, v in image.items() if k not in ("id", "file_name", "height", "width", KEY)}
        extra |= {KEY: own} if own else {}
        if not is_json(extra):
            self.report.repair("an image had values that JSON cannot hold", name)
            extra = {}
        cells = Instances(shape)
        return ImageRecord(0, name, path, shape, cells, extra, **fields)

    def _shape(
        self, image: dict[str, Any], annotations: Callable[[], list[dict[str, Any]]], path: Path | None, name: str
    ) -> tuple[int, int] | None:
        """The size from the entry, else from the masks, else from the file; the file on disk overrules the others."""
        listed = _size((image.get("height"), image.get("width")))
        try:
            true = plane_shape(path) if path is not None else None
        except BadImage:
            self.report.repair("an image cannot be read", name)
            true = None
        known = [] if listed is not None and listed == true else annotations()
        sizes = {_size(s) for a in known if (s := _rle_size(a))}
        shape = listed or (next(iter(sizes)) if len(sizes) == 1 else None)
        if true is not None and shape != true and (shape is None or sizes == {true}):
            shape = true
        if shape is None or not all(0 < s <= LARGEST_SIDE for s in shape):
            self.report.refuse("the size of an image is unknown", name or _name(image))
            return None
        if true is not None and shape != true:
            size = f"{name}: {shape[0]} x {shape[1]} and {true[0]} x {true[1]}"
            self.report.refuse("an image and its annotations differ in size", size)
            return None
        if shape != listed:
            self.report.repair("the size of an image was missing or wrong", name)
        return shape

    def _annotation(self, item: dict[str, Any], record: ImageRecord, crop: Crop | None) -> None:
        where = _name(item)
        if item.get("iscrowd") and not self._is_cell(item):
            self.report.refuse("a crowd region is not a single cell", where)
            self._crowd(item, record, crop)
            return
        category = self.categories.of(item, where)
        if category is None:
            return
        repaired = Repaired(crop) if crop else repair_mask(item, record.shape, boxes=self.boxes)
        if repaired.crop is None:
            self.report.refuse(repaired.refusal, where)
            return
        self._cell(item, record, category, repaired.crop, repaired.notes, where)

    def _crowd(self, item: dict[str, Any], record: ImageRecord, crop: Crop | None) -> None:
        """Keep the region of a crowd, in which cells are neither right nor wrong."""
        crop = crop or repair_mask(item, record.shape).crop
        category = self.categories.of(item, _name(item))
        if crop is not None and category is not None:
            y0, x0, mask = crop
            self._take(mask)
            region = Instance(0, y0, x0, mask, category=category)
            self.crowds_of.setdefault(id(record), []).append(region)

    def _take(self, mask: np.ndarray) -> None:
        """Count the pixels of a mask, and stop a malicious file."""
        self.pixels += mask.size
        if self.pixels > LARGEST_FILE:
            raise BadAnnotations(
                f"The masks of {self.path.name} need more than {LARGEST_FILE} pixels in memory. Split it into several files."
            )

    def _cell(
        self,
        item: dict[str, Any],
        record: ImageRecord,
        category: int,
        crop: Crop,
        notes: Sequence[str],
        where: str,
    ) -> None:
        y0, x0, mask = crop
        self._take(mask)
        same = (id(record), category, y0, x0, mask.shape, hash(mask.tobytes()))
        ours = isinstance(item.get(KEY), dict)
        if same in self.seen and not ours:
            self.report.refuse("a cell is identical to another one", where)
            return
        self.seen.add(same)
        for note in notes:
            self.report.repair(note, where)
        fields = cell_fields(item, self.path.name, bad=lambda m: self.report.repair(m, where))
        if fields["id"] in record.instances:
            self.report.repair("two cells had the same id", where)
            fields["id"] = 0
        fields["id"] = fields["id"] or record.instances.next_id
        record.instances.add(Instance(y0=y0, x0=x0, mask=mask, category=category, **fields), is_checked=True)

    def _is_cell(self, item: dict[str, Any]) -> bool:
        """Whether to read a crowd as a cell; CVAT's masks are recognised by their attributes."""
        if self.crowds == "cells" or (self.crowds == "auto" and is_single_cell(item)):
            self.report.repair("a mask marked as a crowd is read as a cell", _name(item))
            return True
        return False


def _read_again(
    work: _Import,
    categories: Categories,
    record: ImageRecord,
    keys: Sequence[Any],
    data: Mapping[Any, list[dict[str, Any]]],
) -> Instances:
    """The cells of a record once more, from the categories that were known then; all was reported at the first time."""
    same = copy.copy(work)
    same.report, same.seen, same.crowds_of = ImportReport(work.path.name), set(), {}
    same.categories = categories.copy(same.report)
    return same.filled(record, keys, data)[0]


def _of_image(by_image: Mapping[Any, list[dict[str, Any]]], key: Any) -> list[dict[str, Any]]:
    return by_image[key] if key in by_image else []


def _categories_of(by_image: Mapping[Any, list[dict[str, Any]]]) -> set[Any]:
    return {key_of(item.get("category_id")) for items in by_image.values() for item in items}


def _size(values: Sequence[Any]) -> tuple[int, int] | None:
    """(H, W) if both are whole numbers other than 0."""
    height, width = map(whole, values)
    return (height, width) if height and width else None


def _clean(image: dict[str, Any]) -> str:
    given = image.get("file_name") or image.get("path") or ""
    return clean_name(given) if isinstance(given, str) else ""


def _name(item: dict[str, Any]) -> str:
    name = item.get("file_name") or item.get("id", "without id")
    return ascii(name)[:60].strip("'")


def _rle_size(item: dict[str, Any]) -> list[int] | None:
    segmentation = item.get("segmentation")
    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    return size if isinstance(size, list) and len(size) == 2 and all(map(whole, size)) else None
