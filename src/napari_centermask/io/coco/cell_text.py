"""The annotations of many cells as JSON text: what `json.dumps` makes of `document.annotation`, four times as fast."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from napari_centermask.core.instances import Instance
from napari_centermask.io import rle_many
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_record import ImageRecord


def cell_texts(record: ImageRecord, *, first_id: int) -> Iterator[str]:
    """One JSON object for each cell of a record, with RLE; annotation ids count from `first_id`.

    Raises
    ------
    ValueError
        If a score, quality, order or probability is not finite.
    """
    cells = list(record.instances)
    size = f'"segmentation": {{"size": [{record.shape[0]}, {record.shape[1]}], "counts": "'
    quoted: dict[str, str] = {}
    for id, (cell, counts) in enumerate(zip(cells, rle_many.encode(cells, record.shape), strict=True), start=first_id):
        h, w = cell.mask.shape
        counts = counts.replace("\\", "\\\\")  # the one character of counts that JSON writes in another way
        yield (
            f'{{"id": {id}, "image_id": {record.id}, "category_id": {cell.category}, {size}{counts}"}}, '
            f'"area": {cell.area}.0, "bbox": [{cell.x0}.0, {cell.y0}.0, {w}.0, {h}.0], "iscrowd": 0, '
            f'"score": {float(cell.score)!r}, "{KEY}": {own_text(cell, quoted)}}}'
        )


def own_text(cell: Instance, quoted: dict[str, str]) -> str:
    """What `extension.cell_key` keeps of a cell, as JSON; `quoted` keeps texts that come again.

    Raises
    ------
    ValueError
        As `cell_texts`.
    """
    score, quality, order = float(cell.score), float(cell.mask_quality), float(cell.order)
    if not math.isfinite(score + quality + order) and not all(map(math.isfinite, (score, quality, order))):
        raise ValueError(f"Out of range float values are not JSON compliant: cell {cell.id}")
    probabilities = ""
    if cell.probabilities:
        probabilities = f'"probabilities": {json.dumps([float(p) for p in cell.probabilities], allow_nan=False)}, '
    tracks = (f'"track": {cell.track}, ' if cell.track else "") + (f'"parent": {cell.parent}, ' if cell.parent else "")
    status = quoted.get(cell.status) or quoted.setdefault(cell.status, json.dumps(cell.status))
    source = quoted.get(cell.source) or quoted.setdefault(cell.source, json.dumps(cell.source))
    return (
        f'{{{probabilities}{tracks}"id": {cell.id}, "score": {score!r}, "mask_quality": {quality!r}, "status": {status}, '
        f'"source": {source}, "order": {order!r}}}'
    )
