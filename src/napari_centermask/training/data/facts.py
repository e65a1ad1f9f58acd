"""What a card says about the training data: hashes, places, and sizes of the cells."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.reviewed import is_partial, truth_of
from napari_centermask.io.trained_on import TrainedOn, merged, places_of
from napari_centermask.training.data.loader import annotation_file, folders_by_name, judging

PERCENTILES = (10, 50, 90)
"""Percentiles of the cell diameters that a card keeps, per category: the median, and a choice of what is usual beside it."""


def data_facts(data: Sequence[Path], replay: Sequence[Path], before: TrainedOn) -> dict[str, Any]:
    """What a card keeps about a model's data, under `training`.

    Parameters
    ----------
    data, replay
        Folders of the new data, and of data that its start model was trained on.
    before
        What its start model was trained on.

    Returns
    -------
    dict
        "data": hashes, see `data_hashes`; "learned": all places that the model was trained on, see `io.trained_on`;
        "diameters": {category: 10th, 50th and 90th percentile of the diameters in image pixels}, of `data` only.
    """
    trained_on, sizes = before, defaultdict[str, list[float]](list)
    for number, folder in enumerate(map(Path, (*data, *replay))):
        records = read_coco(annotation_file(folder, "train"), images_root=folder / "images")
        trained_on = merged(trained_on, places_of(records))
        for name, diameter in _diameters(records) if number < len(data) else ():
            sizes[name].append(diameter)
    known = {name: np.percentile(diameters, PERCENTILES).round(1).tolist() for name, diameters in sizes.items()}
    return {"data": data_hashes([*data, *replay]), "learned": dict(trained_on), "diameters": known}


def _diameters(records: Sequence[ImageRecord]) -> Iterator[tuple[str, float]]:
    """Category and diameter in image pixels of the cells that do not touch the image border."""
    partial = is_partial(records)
    for record in records:
        cells = truth_of(record, partial=partial).instances
        height, width = record.shape
        for cell in cells:
            y0, x0, y1, x1 = cell.box
            if y0 > 0 and x0 > 0 and y1 < height and x1 < width:
                yield cells.categories.get(cell.category, str(cell.category)), cell.diameter


def data_hash(folder: Path, split: str) -> str:
    """SHA-256 (hex) over the annotation file and the bytes of its images in the order of their names."""
    path = annotation_file(folder, split)
    content = path.read_bytes()
    digest = hashlib.sha256(content)
    records = read_coco(path, images_root=Path(folder) / "images")
    for record in sorted(records, key=lambda r: r.file_name):
        digest.update(record.file_name.encode())
        digest.update(Path(record.path or "").read_bytes())
    return digest.hexdigest()


def data_hashes(folders: Sequence[Path]) -> dict[str, dict[str, str]]:
    """`data_hash` of train and, if there is one, val: {name of the folder: {split: hash}}."""
    judged = judging(folders)
    return {
        name: {s: data_hash(f, s) for s in ("train", "val") if s == "train" or f in judged}
        for name, f in folders_by_name(folders).items()
    }
