"""Weights of the classes from their numbers of pixels. Needs no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.reviewed import is_partial, truth_of
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.loader import annotation_file
from napari_centermask.training.data.sample import class_of


def class_weights(settings: TrainSettings) -> np.ndarray:
    """(1 + categories,) float32, background first: the classes' median frequency over each one's.

    Source: D. Eigen and R. Fergus, arXiv 1411.4734, section 6.3.2.

    Raises
    ------
    BadSettings
        If the training images have no pixels of a category.
    """
    categories = settings.model.categories
    pixels = np.zeros(1 + len(categories))
    for folder in settings.data:
        records = read_coco(annotation_file(folder, "train"), images_root=Path(folder) / "images")
        partial = is_partial(records)
        for record in records:
            pixels += _pixels(record, categories, partial=partial)
    if missing := [name for name, n in zip(["background", *categories], pixels, strict=True) if not n]:
        raise BadSettings(
            f"losses.class_weights=balanced needs pixels of each class, but the training images have none of "
            f"{', '.join(missing)}. Annotate some, leave the category out, or set losses.class_weights to none."
        )
    return (np.median(pixels) / pixels).astype(np.float32)


def _pixels(record: ImageRecord, categories: list[str], *, partial: bool) -> np.ndarray:
    """Known pixels of each class; for the background, those in reviewed regions."""
    truth = truth_of(record, partial=partial)
    counts = np.zeros(1 + len(categories))
    index = class_of(record.instances.categories, categories)
    for cell in truth.instances:
        counts[1 + index.get(cell.category, 0)] += cell.area
    height, width = record.shape
    boxes = [(0, 0, height, width)] if truth.reviewed is None else truth.reviewed
    known = sum((y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in boxes)
    counts[0] = max(0.0, known - counts.sum())
    return counts
