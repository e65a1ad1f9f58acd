"""annotations.json of a project: kept as it was read, image by image, and turned into cells when an image is opened.

Images that are not opened are written back unchanged. Cells that are shown are under `annotations`, where every COCO reader
finds them. Rejected ones and candidates below the score are under `napari_centermask: {"hidden": [...]}`, and cells of images
that were removed from the project under `{"removed": [{"entry", "images", "annotations", "hidden"}, ...]}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index, Result
from napari_centermask.io import rle_many
from napari_centermask.io.coco.document import (
    FORMAT,
    annotation,
    crowd_annotation,
    image_entry,
    is_single_cell,
    parse_coco,
)
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.records import records_of, result_of
from napari_centermask.io.own_files import PREVIOUS

Raw = dict[str, Any]
Key = tuple[str, Index, int]
"""File name, plane and id of a cell."""
_PART = 500  # cells that are encoded in one go: 5 ms
Packed = dict[Key, tuple[Instance, Raw]]
"""Cells with their entries in annotations.json."""


@dataclass
class RawImage:
    """The entries of an image: one for each plane, and its shown and hidden annotations."""

    records: list[Raw] = field(default_factory=list)
    shown: list[Raw] = field(default_factory=list)
    hidden: list[Raw] = field(default_factory=list)
    entry: Raw = field(default_factory=dict)
    """The entry in project.json of an image that was removed."""


def pack(cells: Iterable[tuple[Key, Instance]], shape: tuple[int, int]) -> Packed:
    """Pack cells of an image of (H, W) pixels, in any thread."""
    return {key: (cell, annotation(cell, shape, id=0, image_id=0)) for key, cell in cells}


class Store:
    """The content of annotations.json, by file name.

    Attributes
    ----------
    images
        In the order of the file.
    categories
        Entries of the categories.
    removed
        Images that were removed from the project.
    edits
        Number of the last journal record that it contains; 0 in a file that another program wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.images: dict[str, RawImage] = {}
        self.categories: list[Raw] = []
        self.removed: list[RawImage] = []
        self.edits = 0
        self._other: Raw = {}
        self._info: Raw = {}
        self._packed: Packed = {}

    @classmethod
    def read(cls, path: Path) -> Store:
        """Read the file; a missing one is empty.

        Raises
        ------
        BadAnnotations
            If it is no COCO.
        """
        store = cls(path)
        try:
            with paused_collection():
                store._take(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return store
        except (OSError, ValueError, RecursionError, TypeError, AttributeError, KeyError) as error:
            raise BadAnnotations(
                f"{path} cannot be read as COCO: {type(error).__name__} {error}. If {PREVIOUS} beside it is whole, "
                "give it that name."
            ) from error
        return store

    def _take(self, data: Any) -> None:
        own = data.get(KEY)
        hidden = own.get("hidden", []) if isinstance(own, dict) else []
        self.removed = [_removed(item) for item in (own.get("removed", []) if isinstance(own, dict) else [])]
        self._info = data.get("info") if isinstance(data.get("info"), dict) else {}
        edits = self._info.get(KEY, {}).get("edits", 0) if isinstance(self._info.get(KEY), dict) else 0
        self.edits = edits if type(edits) is int and 0 <= edits < 2**53 else 0
        self.categories = list(data.get("categories") or [])
        self._other = {k: v for k, v in data.items() if k not in ("images", "annotations", "categories", "info", KEY)}
        by_id: dict[Any, RawImage] = {}
        for record in data["images"]:
            name = str(record.get("file_name") or f"image {record['id']}")
            if record["id"] in by_id:
                raise ValueError(f"image id {record['id']} occurs twice")
            by_id[record["id"]] = self.images.setdefault(name, RawImage())
            by_id[record["id"]].records.append(record)
        for item in data.get("annotations") or []:
            by_id[item["image_id"]].shown.append(item)
        for item in hidden:
            by_id[item["image_id"]].hidden.append(item)

    def result(self, name: str) -> Result:
        """The cells of an image.

        Raises
        ------
        BadAnnotations
            With the entry, what was expected, what was there, and what to do.
        """
        raw = self.images[name]
        return result_of(self._parsed(name, raw.shown + raw.hidden, self.categories), name=Path(name).name)

    def count(self, name: str) -> int:
        """How many annotations an image has."""
        raw = self.images.get(name, RawImage())
        return len(raw.shown) + len(raw.hidden)

    def crowds(self, name: str) -> list[Raw]:
        """Annotations of crowd regions, which are not cells, from another program."""
        return [item for item in self.images.get(name, RawImage()).shown if not is_single_cell(item)]

    def regions(self, name: str) -> dict[Index, tuple[Instance, ...]]:
        """The crowd regions of an image by plane; raises as `result`."""
        crowds = self.crowds(name)
        used = [{"id": id, "name": str(id)} for id in {item["category_id"] for item in crowds}]
        return {r.plane: r.crowds for r in self._parsed(name, crowds, used) if r.crowds} if crowds else {}

    def _parsed(self, name: str, items: Iterable[Raw], categories: list[Raw]) -> list[ImageRecord]:
        """The records of an image with some of its annotations."""
        numbered = [{**item, "id": k} for k, item in enumerate(items, start=1)]
        data = {"images": self.images[name].records, "annotations": numbered, "categories": categories}
        return parse_coco(data, self.path)

    def _crowds_by_plane(self, name: str) -> dict[Index, list[Raw]]:
        crowds: dict[Index, list[Raw]] = {}
        items = self.crowds(name)
        planes = {record.id: record.plane for record in self._parsed(name, (), self.categories)} if items else {}
        for item in items:
            crowds.setdefault(planes[item["image_id"]], []).append(item)
        return crowds

    def uses(self, name: str) -> set[int]:
        """Categories of an image's annotations."""
        raw = self.images.get(name, RawImage())
        return {item["category_id"] for item in raw.shown + raw.hidden if "category_id" in item}

    def uses_of_removed(self) -> set[int]:
        """Categories of the annotations of images that were removed from the project."""
        items = (item for raw in self.removed for item in raw.shown + raw.hidden)
        return {item["category_id"] for item in items if "category_id" in item}

    def unpacked(self, name: str, result: Result) -> list[tuple[Key, Instance]]:
        """The cells that `put` would have to pack."""
        cells = [((name, index, cell.id), cell) for index, cell in result.placed()]
        known = self._packed
        return [(key, cell) for key, cell in cells if key not in known or known[key][0] is not cell]

    def take(self, packed: Packed) -> None:
        """Keep what `pack` made of `unpacked` cells, for `put`; cells that were changed meanwhile are packed again by it."""
        self._packed |= packed

    def put(
        self,
        name: str,
        result: Result,
        *,
        image_id: int,
        extra: Raw,
        new_crowds: Mapping[Index, Sequence[Instance]] = MappingProxyType({}),
    ) -> None:
        """Store an image's present cells and new crowd regions; cells that did not change are not packed again."""
        crowds, raw = self._crowds_by_plane(name), RawImage()
        with_crowds = {index: new_crowds.get(index, ()) for index in {*crowds, *new_crowds}}
        former = self.images[name].records if name in self.images else []
        kept = {k: v for r in former[:1] for k, v in r.items() if k not in ("id", "file_name", "height", "width", KEY)}
        packed = {}
        for record in records_of(result, name, first_id=image_id, extra=kept | extra, crowds=with_crowds):
            raw.records.append(image_entry(record))
            raw.shown += [{**crowd, "image_id": record.id} for crowd in crowds.get(record.plane, ())]
            raw.shown += [crowd_annotation(region, record, id=0) for region in record.crowds]
            counts = self._new_counts(name, record)
            for cell in record.instances:
                key = name, record.plane, cell.id
                known = self._packed.get(key)
                entry = known[1] if known is not None and known[0] is cell else None
                if entry is None:
                    entry = annotation(cell, result.shape, id=0, image_id=record.id, counts=counts[cell.id])
                packed[key] = cell, entry
                (raw.shown if result.shows(cell) else raw.hidden).append({**entry, "image_id": record.id})
        for key in [k for k in self._packed if k[0] == name]:
            del self._packed[key]
        self._packed |= packed
        self.images[name] = raw

    def _new_counts(self, name: str, record: ImageRecord) -> dict[int, str]:
        """The run lengths, by id, of the cells that changed since they were packed."""
        known = (self._packed.get((name, record.plane, cell.id)) for cell in record.instances)
        new = [c for c, former in zip(record.instances, known, strict=True) if former is None or former[0] is not c]
        return {c.id: text for c, text in zip(new, rle_many.encode(new, record.shape), strict=True)}

    def set_aside(self, name: str, entry: Raw) -> None:
        """Keep the cells of an image that is removed from the project, and its entry in project.json; drop it if it has none."""
        raw = self.images.pop(name, None)
        for key in [k for k in self._packed if k[0] == name]:
            del self._packed[key]
        if raw is not None:
            raw.entry = entry
            self.removed.append(raw)

    def bring_back(self, name: str, path: str) -> Raw | None:
        """Restore a removed image, the latest with this name and place; returns its former entry."""
        same = [r for r in self.removed if (r.entry.get("file_name"), r.entry.get("path")) == (name, path)]
        if not same or name in self.images:
            return None
        self.removed.remove(same[-1])
        self.images[name] = same[-1]
        entry, same[-1].entry = same[-1].entry, {}
        return entry

    def snapshot(self) -> Store:
        """The present content, to be encoded in another thread."""
        copy = Store(self.path)
        copy.images, copy.removed = dict(self.images), list(self.removed)  # entries are replaced, never changed
        copy._other, copy._info = self._other, self._info
        return copy

    def encoded(self, names: Iterable[str], categories: Iterable[Raw], edits: int) -> Iterator[bytes]:
        """The file's bytes, in parts of some milliseconds: the images of `names` first, then everything else."""
        order = [n for n in names if n in self.images]
        order += [n for n in self.images if n not in set(order)]
        images, shown, hidden = self._numbered(order)
        own = self._info.get(KEY)
        own = own if isinstance(own, dict) else {}
        info = {"description": "napari-centermask"} | self._info | {KEY: {**own, "format": FORMAT, "edits": edits}}
        data = {"info": info, "images": images, "annotations": shown, "categories": list(categories), **self._other}
        removed = [
            {"entry": r.entry, "images": r.records, "annotations": r.shown, "hidden": r.hidden} for r in self.removed
        ]
        if hidden or removed:
            data[KEY] = {k: v for k, v in {"hidden": hidden, "removed": removed}.items() if v}
        for text in _parts(data):
            yield text.encode("ascii")

    def _numbered(self, order: list[str]) -> tuple[list[Raw], list[Raw], list[Raw]]:
        """Give the entries ids: the first record of an image keeps its id if it is free; annotations count from 1."""
        taken = {raw.records[0]["id"] for raw in self.images.values() if raw.records}
        following = max((i for i in taken if type(i) is int), default=0)
        seen: set[Any] = set()
        images: list[Raw] = []
        lists: tuple[list[Raw], list[Raw]] = ([], [])
        for name in order:
            ids: dict[Any, Any] = {}
            for k, record in enumerate(self.images[name].records):
                id = record["id"]
                if k > 0 or id in seen:
                    following += 1
                    id = following
                seen.add(id)
                ids[record["id"]] = id
                images.append({**record, "id": id})
            for items, out in zip((self.images[name].shown, self.images[name].hidden), lists, strict=True):
                out += [{**item, "image_id": ids[item["image_id"]]} for item in items]
        shown, hidden = lists
        for k, item in enumerate(shown + hidden, start=1):
            item["id"] = k
        return images, shown, hidden


def _parts(value: Any) -> Iterator[str]:
    """What `json.dumps` makes of a value, in parts: for a whole one, it would keep other threads waiting for a second."""
    if isinstance(value, dict):
        yield "{"
        for k, (key, item) in enumerate(value.items()):
            yield f"{', ' if k else ''}{json.dumps(key)}: "
            yield from _parts(item)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for k in range(0, len(value), _PART):
            yield f"{', ' if k else ''}{json.dumps(value[k : k + _PART])[1:-1]}"
        yield "]"
    else:
        yield json.dumps(value)


def _removed(item: Raw) -> RawImage:
    """An image that was removed from the project, as `Store.encoded` wrote it."""
    entry = item["entry"]
    if not isinstance(entry, dict):
        raise ValueError("a removed image needs its entry")
    return RawImage(list(item["images"]), list(item["annotations"]), list(item.get("hidden", [])), dict(entry))
