"""A COCO file that is larger than what memory should hold: its annotations stay in it, and are read for one image at a time."""

from __future__ import annotations

import codecs
import json
import re
from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.coco.categories import key_of

LARGEST_WHOLE = 1 << 27
"""Bytes of the largest file that is read as a whole: a choice; one with 267,000 cells took 700 MB while it was read."""
_PIECE = 1 << 22  # bytes that are read at a time: a choice
_APART = 1 << 12  # annotations of an image that lie at most so many bytes apart are read at once: a page
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Parted(Mapping[Any, list[dict[str, Any]]]):
    """The annotations of each image, by the key of its id (`categories.key_of`), in the order of the file.

    Attributes
    ----------
    path
        The file.
    data
        All of it but the annotations.
    categories
        The keys of all categories that annotations have.

    Raises
    ------
    ValueError
        If the file is not of the usual form: an object with `images` and one list of objects, `annotations`.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._known = path, _stamp(path)
        self.categories: set[Any] = set()
        self._of: dict[Any, int] = {}
        starts, lengths, images = array("q"), array("q"), array("q")
        with path.open("rb") as stream:
            text = _Text(stream)
            self.data = text.members()
            for item, start, length in text.annotations():
                self.categories.add(key_of(item.get("category_id")))
                images.append(self._of.setdefault(key_of(item.get("image_id")), len(self._of)))
                starts.append(start)
                lengths.append(length)
            self.data |= text.members()
            text.end()
        if "images" not in self.data:
            raise ValueError("there are no images")
        order = np.argsort(np.array(images), kind="stable")
        self._starts, self._lengths = np.array(starts)[order], np.array(lengths)[order]
        counts = np.bincount(np.array(images), minlength=len(self._of))
        self._ends = np.cumsum(counts)
        self.n_annotations = len(order)

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._of)

    def __contains__(self, key: object) -> bool:
        return key in self._of

    def n_of(self, key: Any) -> int:
        """Number of annotations of an image."""
        n = self._of[key]
        return int(self._ends[n] - (self._ends[n - 1] if n else 0))

    def __getitem__(self, key: Any) -> list[dict[str, Any]]:
        """Read the annotations of an image; raises `BadAnnotations` if the file is gone or has changed since it was opened."""
        n = self._of[key]
        try:
            return self._read(n)
        except OSError as error:
            raise BadAnnotations(
                f"{self.path} cannot be read any more: {error}. Put it back and start again."
            ) from error

    def _read(self, n: int) -> list[dict[str, Any]]:
        rows = slice(int(self._ends[n - 1]) if n else 0, int(self._ends[n]))
        starts, lengths = self._starts[rows], self._lengths[rows]
        if _stamp(self.path) != self._known:
            raise BadAnnotations(f"{self.path.name} was changed while it was read. Start again.")
        cuts = np.flatnonzero(starts[1:] - (starts[:-1] + lengths[:-1]) > _APART) + 1
        items: list[dict[str, Any]] = []
        with self.path.open("rb") as stream:
            for some, sizes in zip(np.split(starts, cuts), np.split(lengths, cuts), strict=True):
                first = int(some[0])
                stream.seek(first)
                block = stream.read(int(some[-1] + sizes[-1]) - first)
                items += [
                    json.loads(block[a : a + size])
                    for a, size in zip((some - first).tolist(), sizes.tolist(), strict=True)
                ]
        return items


def parted(path: Path) -> Parted | None:
    """The file, if it is large and of the usual form; None for any other, which `document.load_json` reads as a whole."""
    try:
        size, time = _stamp(path)
        return _indexed(path.absolute(), size, time) if size > LARGEST_WHOLE else None
    except (OSError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=4)  # a choice: a run asks for the same few files several times
def _indexed(path: Path, _size: int, _time: int) -> Parted:
    return Parted(path)


def _stamp(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns


class _Text:
    """The text of a JSON object, of which only a piece is in memory; raises `ValueError` for any other text."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._bytes = stream, codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._byte = "", 0, 0
        if stream.read(3) == codecs.BOM_UTF8:
            self._byte = 3
        else:
            stream.seek(0)
        self._take("{")
        self._ended = False

    def members(self) -> dict[str, Any]:
        """The next members of the object, up to the list of annotations or the end."""
        found: dict[str, Any] = {}
        if self._ended or self._next() == "}":
            return found
        while True:
            key = self._value()
            self._take(":")
            if not isinstance(key, str):
                raise ValueError(f"expected a name, got {key!r}")
            if key == "annotations":
                return found
            found[key] = self._value()
            if self._is_last("}"):
                self._ended = True
                return found

    def annotations(self) -> Iterator[tuple[dict[str, Any], int, int]]:
        """Each annotation, where its text starts in the file, and how many bytes that has."""
        if self._ended or self._next() == "}":
            return
        self._take("[")
        if self._next() == "]":
            self._take("]")
        else:
            is_last = False
            while not is_last:
                self._next()
                start, item = self._byte, self._value()
                if not isinstance(item, dict):
                    raise ValueError("an annotation is no object")
                yield item, start, self._byte - start
                is_last = self._is_last("]")
        self._ended = self._is_last("}")

    def end(self) -> None:
        """Make sure that nothing follows, such as a second list of annotations."""
        if not self._ended or self._next():
            raise ValueError("there is more than one object")

    def _is_last(self, end: str) -> bool:
        if self._next() == end:
            self._take(end)
            return True
        self._take(",")
        return False

    def _next(self) -> str:
        """The next character that is no space; "" at the end of the file."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._move(found.end() if found else self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, mark: str) -> None:
        if self._next() != mark:
            raise ValueError(f"expected {mark}")
        self._move(self._at + 1)

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            is_cut = end == len(self._text) or (
                isinstance(value, (int, float)) and self._text[end] in "+-.0123456789eE"
            )
            if not is_cut or not self._more():  # else a number might go on
                self._move(end)
                return value

    def _move(self, to: int) -> None:
        passed = self._text[self._at : to]
        self._byte += len(passed) if passed.isascii() else len(passed.encode())
        self._at = to

    def _more(self) -> bool:
        """Read on, twice as much if one value is longer than what was read; False at the end of the file."""
        left = self._text[self._at :]
        data = self._stream.read(max(_PIECE, len(left)))
        self._text, self._at = left + self._bytes.decode(data, final=not data), 0
        return bool(data)
