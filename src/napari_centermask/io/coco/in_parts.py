"""The records of our own COCO files that are larger than what memory should hold."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.later_instances import LaterInstances
from napari_centermask.io.coco.document import fill, image_records
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.masks import read_masks
from napari_centermask.io.coco.parted import Parted


def parse_parted(data: Parted, *, images_root: Path) -> list[ImageRecord]:
    """Read and check all of a file as `document.read_coco`; cells stay in the file (`LaterInstances`).

    Raises
    ------
    BadAnnotations
        As `document.read_coco`, but for an amount of masks that only one image at a time needs.
    """
    records, categories = image_records(data.data, data.path, images_root=images_root)
    ids = _Ids()
    done = [_read(data, record, categories, ids) for record in records.values()]
    for key in data:
        if key not in records:
            _filled(data, key, {}, categories, ids)  # which says what is wrong with them
    if (twice := ids.twice()) is not None:
        raise BadAnnotations(f"{data.path.name} has annotation id {twice} twice. Renumber the annotations.")
    return done


class _Ids:
    """The ids of very many annotations."""

    def __init__(self) -> None:
        self._usual, self._others = array("q"), list[int]()

    def add(self, ids: set[int]) -> None:
        """Take in those of an image."""
        is_usual = {id: -(2**63) <= id < 2**63 for id in ids}
        self._usual.extend(id for id in ids if is_usual[id])
        self._others += [id for id in ids if not is_usual[id]]

    def twice(self) -> int | None:
        """An id that was added more than once, if there is one."""
        values, counts = np.unique(np.array(self._usual), return_counts=True)
        found = [*values[counts > 1].tolist(), *(id for id, n in Counter(self._others).items() if n > 1)]
        return found[0] if found else None


def _read(data: Parted, record: ImageRecord, categories: dict[int, str], ids: _Ids) -> ImageRecord:
    own, crowds, n_empty = _cells(data, record, categories, ids)
    cells = LaterInstances(own, partial(_again, data, record, categories))
    return replace(record, instances=cells, crowds=crowds, n_empty=n_empty)


def _again(data: Parted, record: ImageRecord, categories: dict[int, str]) -> Instances:
    return _cells(data, record, categories, _Ids())[0]


def _cells(
    data: Parted, record: ImageRecord, categories: dict[int, str], ids: _Ids
) -> tuple[Instances, tuple[Instance, ...], int]:
    """The cells and crowd regions of an image, and how many annotations have no outline; the annotations' ids are added."""
    own = replace(record, instances=Instances(record.shape, categories=categories))
    if record.id not in data:
        return own.instances, (), 0
    crowds, empty = _filled(data, record.id, {record.id: own}, categories, ids)
    return own.instances, tuple(crowds.get(record.id, ())), empty[record.id]


def _filled(
    data: Parted, key: int, records: dict[int, ImageRecord], categories: dict[int, str], ids: _Ids
) -> tuple[dict[int, list[Instance]], Counter[int]]:
    items, seen = data[key], set[int]()
    crops = read_masks(items, {id: record.shape for id, record in records.items()})
    found = fill(data.path, zip(items, crops, strict=True), records, categories, seen)
    ids.add(seen)
    return found
