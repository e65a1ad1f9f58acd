"""Convert category ids of any kind to integers from 1."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from typing import Any

from napari_centermask.io.coco.extension import LARGEST_ID
from napari_centermask.io.coco.report import ImportReport


def key_of(id: object) -> int | str | None:
    """The key of an id: "7", 7 and 7.0 are the same; None if it is not an id."""
    number = whole(id)
    if number is not None:
        return number
    return id if isinstance(id, str) and id else None


def whole(value: object) -> int | None:
    """An integer, also if written as text or with a decimal point; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) < 40 and value.strip().lstrip("-").isdecimal() and value.isascii():
        try:
            return int(value)
        except ValueError:  # "--1"
            return None
    return None


def _readable(name: object) -> str:
    text = "" if name is None else str(name)
    return "".join(c for c in text if c.isprintable()).strip()[:200]


class Categories:
    """The categories of an import.

    Parameters
    ----------
    listed
        The file's.
    used
        The keys (`key_of`) of those that annotations have.
    report
        Gets what is repaired or left out.

    Attributes
    ----------
    names
        New id -> name.
    """

    def __init__(self, listed: list[dict[str, Any]], used: Collection[Any], report: ImportReport) -> None:
        self.report = report
        self.names: dict[int, str] = {}
        self._ids: dict[Any, int] = {}
        raw: dict[Any, str] = {}
        parents = {c.get("supercategory") for c in listed if isinstance(c.get("supercategory"), str)}
        for category in listed:
            key, name = key_of(category.get("id")), category.get("name")
            if key is None:
                report.refuse("a category has no id", str(name)[:60])
            elif key in raw:
                report.refuse("two categories have the same id", str(name)[:60])
            elif key not in used and isinstance(name, str) and name in parents and len(listed) > 1:
                report.repair("an empty category above the others was left out", name)
            else:
                raw[key] = _readable(name) or _readable(f"category {key}")
        self._number(raw)

    def copy(self, report: ImportReport | None = None) -> Categories:
        """The same categories so far, which go on with a report of their own."""
        same = copy(self)
        same.report = report or self.report
        same.names, same._ids = dict(self.names), dict(self._ids)
        return same

    def of(self, item: dict[str, Any], where: str) -> int | None:
        """The new id of an annotation's category; None, noted as refused, if it is not clear."""
        value = item.get("category_id")
        key = key_of(value)
        if key in self._ids:
            return self._ids[key]
        if key is None and len(self.names) > 1:
            self.report.refuse("it has no category, and there are several", where)
            return None
        if key is None:
            self.report.repair("its category was missing", where)
            return next(iter(self.names)) if self.names else self._new(None, "cell")
        self.report.repair("its category was not listed", where)
        return self._new(key, _readable(f"category {key}"))

    def _number(self, raw: dict[Any, str]) -> None:
        """Keep ids from 1; add one to all if they count from 0; give others the next free ones."""
        shift = int(0 in raw and all(isinstance(k, int) and 0 <= k < LARGEST_ID for k in raw))
        if shift:
            self.report.repair("categories counted from 0, now from 1")
        for key, name in raw.items():
            if isinstance(key, int) and 0 < key + shift <= LARGEST_ID:
                self._ids[key] = key + shift
                self.names[key + shift] = name
        for key, name in raw.items():
            if key not in self._ids:
                self.report.repair("the id of a category was not a whole number of 1 or more", name)
                self._new(key, name)

    def _new(self, key: Any, name: str) -> int:
        good = isinstance(key, int) and 0 < key <= LARGEST_ID and key not in self.names
        id = key if good else next(n for n in range(1, len(self.names) + 2) if n not in self.names)
        self.names[id] = name
        self._ids[key] = id
        return id
