"""Weights of the classes from their numbers of pixels or cells. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.coco.annotated import read_annotated
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
    return _balanced(settings, ["background", *settings.model.categories], _pixels, "losses", "pixels of each class")


def category_weights(settings: TrainSettings, group: str = "instance_losses") -> np.ndarray:
    """(categories,) float32: the median number of cells over each category's own, as in `class_weights`.

    Parameters
    ----------
    group
        The settings that ask for them, for the error.

    Raises
    ------
    BadSettings
        If the training images have no cell of a category.
    """
    return _balanced(settings, settings.model.categories, _cells, group, "cells of each category")


def _balanced(
    settings: TrainSettings, names: Sequence[str], count: Callable[..., np.ndarray], group: str, needed: str
) -> np.ndarray:
    """The median of the training images' counts over each one's own; `group` is that of the setting."""
    counts = np.zeros(len(names))
    for folder in settings.data:
        records = read_annotated(annotation_file(folder, "train"), images_root=Path(folder) / "images")
        partial = is_partial(records)
        for record in records:
            counts += count(record, settings.model.categories, partial=partial)
    if missing := [name for name, n in zip(names, counts, strict=True) if not n]:
        raise BadSettings(
            f"{group}.class_weights=balanced needs {needed}, but the training images have none of "
            f"{', '.join(missing)}. Annotate some, leave the category out, or set {group}.class_weights to none."
        )
    return (np.median(counts) / counts).astype(np.float32)


def _cells(record: ImageRecord, categories: list[str], *, partial: bool) -> np.ndarray:
    """Cells of each category."""
    truth = truth_of(record, partial=partial)
    index = class_of(record.instances.categories, categories)
    return np.bincount([index.get(cell.category, 0) for cell in truth.instances], minlength=len(categories))


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
