"""The places in images that a model was trained on. Images are recognised by their bytes, under any name and in any project.

A model looks better than it is on images that it was trained on. Its card keeps these places and those of its parents, so
that no later split holds one of them out, and a comparison says where that could not be avoided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.result import centre
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.files import sha256_of
from napari_centermask.io.image_names import is_file
from napari_centermask.io.reviewed import truths_of
from napari_centermask.io.scene_paths import split

TrainedOn = Mapping[str, Sequence[Sequence[int]]]
"""Fingerprint of an image file -> rectangles (y0, x0, y1, x1), half-open, in any of its planes."""


def fingerprint(path: Path) -> str:
    """The first 16 hex digits of the SHA-256 of a file; of an image in a file with several, of the file's and its name in it."""
    file, scene = split(Path(path))
    if file.is_dir():  # an OME-Zarr
        return _of_folder(Path(path))[:16]
    now = file.stat()
    whole = _of_file(file, now.st_size, now.st_mtime_ns)
    return (hashlib.sha256(f"{whole}/{scene}".encode()).hexdigest() if scene else whole)[:16]


@lru_cache(maxsize=1)
def _of_file(path: Path, size: int, mtime_ns: int) -> str:
    """SHA-256 of a file; kept, as a file may hold many images."""
    return sha256_of(path)


def _of_folder(path: Path) -> str:
    """SHA-256 of all files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()} {sha256_of(file)}\n".encode())
    return digest.hexdigest()


def places_of(records: Sequence[ImageRecord]) -> dict[str, list[Box]]:
    """The places used in training with annotated images: reviewed regions, and the middles of right cells outside them."""
    places: dict[str, list[Box]] = {}
    for record, truth in truths_of(records):
        whole = ((0, 0, *record.shape),)
        boxes = whole if truth.reviewed is None else (*truth.reviewed, *map(_middle, truth.instances))
        if record.path is not None:
            places = merged(places, {fingerprint(record.path): boxes})
    return places


def merged(a: TrainedOn, b: TrainedOn) -> dict[str, list[Box]]:
    """The places of both, without those that lie inside another one."""
    return {key: _outer([_box(box) for box in (*a.get(key, ()), *b.get(key, ()))]) for key in {**a, **b}}


def places_in(record: ImageRecord, trained_on: TrainedOn) -> list[Box]:
    """The places of an image that a model was trained on; empty if there are none, or the image has no file."""
    if not trained_on or record.path is None or not is_file(record.path):
        return []
    return [_box(box) for box in trained_on.get(fingerprint(record.path), ())]


def overlap(boxes: Iterable[Box], others: Sequence[Box]) -> bool:
    """Whether a rectangle shares a pixel with one of the others."""
    return any(max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3]) for a in boxes for b in others)


def _box(values: Sequence[int]) -> Box:
    y0, x0, y1, x1 = values
    return y0, x0, y1, x1


def _middle(cell: Instance) -> Box:
    y, x = (int(at + 0.5) for at in centre(cell))  # the pixel that decides in `is_centred`
    return y, x, y + 1, x + 1


def _outer(boxes: list[Box]) -> list[Box]:
    kept: list[Box] = []
    for box in sorted(set(boxes), key=lambda b: (-(b[2] - b[0]) * (b[3] - b[1]), b)):
        if not any(k[0] <= box[0] and k[1] <= box[1] and box[2] <= k[2] and box[3] <= k[3] for k in kept):
            kept.append(box)
    return kept
