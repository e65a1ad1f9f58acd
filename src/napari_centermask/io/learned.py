"""Which places of which images taught a model: known by the images' bytes, so under any name and in any project.

A model judged by what it has learned looks better than it is. Its card keeps these places and those of its parents, so that
no later split holds one of them out, and a comparison can say where it could not be helped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_centermask.core.instances import Box, Instance
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.files import sha256_of
from napari_centermask.io.reviewed import is_partial, truth_of

Learned = Mapping[str, Sequence[Sequence[int]]]
"""Fingerprint of an image file -> rectangles (y0, x0, y1, x1), half-open, in any of its planes."""


def fingerprint(path: Path) -> str:
    """The first 16 hex digits of the SHA-256 of a file."""
    return sha256_of(Path(path))[:16]


def places_of(records: Sequence[ImageRecord]) -> dict[str, list[Box]]:
    """What a model learns from annotated images: the reviewed regions, and the middles of right cells beside them."""
    partial = is_partial(records)
    found: dict[str, list[Box]] = {}
    for record in records:
        truth = truth_of(record, partial=partial)
        if truth.is_empty:
            continue
        whole = ((0, 0, *record.shape),)
        boxes = whole if truth.reviewed is None else (*truth.reviewed, *map(_middle, truth.instances))
        if record.path is not None:
            found = merged(found, {fingerprint(record.path): boxes})
    return found


def merged(a: Learned, b: Learned) -> dict[str, list[Box]]:
    """The places of both, without those that lie in another one."""
    return {key: _outer([_box(box) for box in (*a.get(key, ()), *b.get(key, ()))]) for key in {**a, **b}}


def taught(record: ImageRecord, learned: Learned) -> list[Box]:
    """The places of an image among those learned; empty where it taught nothing, or has no file."""
    if not learned or record.path is None or not Path(record.path).is_file():
        return []
    return [_box(box) for box in learned.get(fingerprint(record.path), ())]


def overlap(boxes: Iterable[Box], others: Sequence[Box]) -> bool:
    """Whether a rectangle shares a pixel with one of the others."""
    return any(max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3]) for a in boxes for b in others)


def _box(values: Sequence[int]) -> Box:
    y0, x0, y1, x1 = values
    return y0, x0, y1, x1


def _middle(cell: Instance) -> Box:
    y0, x0, y1, x1 = cell.box
    y, x = (y0 + y1) // 2, (x0 + x1) // 2
    return y, x, y + 1, x + 1


def _outer(boxes: list[Box]) -> list[Box]:
    kept: list[Box] = []
    for box in sorted(set(boxes), key=lambda b: (-(b[2] - b[0]) * (b[3] - b[1]), b)):
        if not any(k[0] <= box[0] and k[1] <= box[1] and box[2] <= k[2] and box[3] <= k[3] for k in kept):
            kept.append(box)
    return kept
