"""annotations.json of a project: kept as it is read, image by image, and made cells of only when an image is opened.

What is not opened is written back as it came. Cells that are shown stand under `annotations`, where every COCO reader finds
them. Rejected ones and candidates below the score stand under `napari_centermask: {"hidden": [...]}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import BadAnnotations
from ...core.instances import Instance
from ...core.result import Result
from ..coco import FORMAT, KEY, annotation, image_entry, parse_coco
from ..coco_records import records_of, result_of
from .layout import PREVIOUS

Raw = dict[str, Any]


@dataclass
class RawImage:
    """The entries of one image: one for each plane, and its annotations, shown ones and hidden ones."""

    records: list[Raw] = field(default_factory=list)
    shown: list[Raw] = field(default_factory=list)
    hidden: list[Raw] = field(default_factory=list)


class Store:
    """What annotations.json holds, by file name.

    Attributes
    ----------
    images
        In the order of the file.
    categories
        Entries of the categories.
    edits
        Number of the last journal record that is contained; 0 in a file that another program wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.images: dict[str, RawImage] = {}
        self.categories: list[Raw] = []
        self.edits = 0
        self._other: Raw = {}
        self._info: Raw = {}
        self._packed: dict[tuple[str, tuple[int, ...], int], tuple[Instance, Raw]] = {}

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
            data = json.loads(path.read_bytes())
            store._take(data)
        except FileNotFoundError:
            return store
        except (OSError, ValueError, RecursionError, TypeError, AttributeError, KeyError) as error:
            raise BadAnnotations(
                f"Expected COCO at {path}, it cannot be read: {type(error).__name__} {error}. If {PREVIOUS} beside it is whole, "
                "give it that name."
            ) from error
        return store

    def _take(self, data: Any) -> None:
        own = data.get(KEY)
        hidden = own.get("hidden", []) if isinstance(own, dict) else []
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
            Naming the entry, what was expected, what came and what to do.
        """
        raw = self.images[name]
        items = [{**item, "id": k} for k, item in enumerate(raw.shown + raw.hidden, start=1)]
        data = {"images": raw.records, "annotations": items, "categories": self.categories}
        return result_of(parse_coco(data, self.path), name=Path(name).name)

    def crowds(self, name: str) -> list[Raw]:
        """Annotations that are no cells: regions of many, from another program."""
        return [item for item in self.images[name].shown if item.get("iscrowd")] if name in self.images else []

    def uses(self, name: str) -> set[int]:
        """Categories of an image's annotations."""
        raw = self.images.get(name, RawImage())
        return {item.get("category_id") for item in raw.shown + raw.hidden}

    def put(self, name: str, result: Result, *, image_id: int, extra: Raw) -> None:
        """Take an image's cells as they are now; those that did not change are not packed again."""
        crowds = self.crowds(name)
        raw = RawImage(shown=[dict(c) for c in crowds])
        former = self.images[name].records if name in self.images else []
        kept = {k: v for r in former[:1] for k, v in r.items() if k not in ("id", "file_name", "height", "width", KEY)}
        packed = {}
        for record in records_of(result, name, first_id=image_id, extra=kept | extra):
            raw.records.append(image_entry(record))
            for cell in record.instances:
                key = name, record.plane, cell.id
                known = self._packed.get(key)
                entry = known[1] if known is not None and known[0] is cell else None
                if entry is None:
                    entry = annotation(cell, result.shape, id=0, image_id=record.id)
                packed[key] = cell, entry
                (raw.shown if result.shows(cell) else raw.hidden).append({**entry, "image_id": record.id})
        for crowd in raw.shown[: len(crowds)]:
            crowd["image_id"] = raw.records[0]["id"]
        for key in [k for k in self._packed if k[0] == name]:
            del self._packed[key]
        self._packed |= packed
        self.images[name] = raw

    def encoded(self, names: Iterable[str], categories: Iterable[Raw], edits: int) -> Iterator[bytes]:
        """The file's bytes: the images of `names` first, then what else it held."""
        order = [n for n in names if n in self.images]
        order += [n for n in self.images if n not in set(order)]
        images, shown, hidden = self._numbered(order)
        own = self._info.get(KEY) if isinstance(self._info.get(KEY), dict) else {}
        info = {"description": "napari-centermask"} | self._info | {KEY: {**own, "format": FORMAT, "edits": edits}}
        data = {"info": info, "images": images, "annotations": shown, "categories": list(categories), **self._other}
        if hidden:
            data[KEY] = {"hidden": hidden}
        yield json.dumps(data).encode("ascii")

    def _numbered(self, order: list[str]) -> tuple[list[Raw], list[Raw], list[Raw]]:
        """Entries with ids: the first record of an image keeps its id where it is free, annotations count from 1."""
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
