"""Categories of existing cells, from a classifier of their crops."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import map_coordinates

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadImage
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.normalise import intensity_range, normalise
from napari_centermask.engines.classifier import ClassifierEngine
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.pipeline.progress import Progress, run_through

_BATCH = 256
"""Number of cells between two yields: less than a tenth of a second (scripts/benchmarks/limits.py: 15 ms without their crops)."""


def classify(image: Array, instances: Instances, engine: ClassifierEngine) -> Instances:
    """The same cells with probabilities and the most probable category.

    Accepted, corrected and rejected cells keep their category, if the classifier has one of that name.

    Parameters
    ----------
    image
        (C, H, W), with the size of the instances.

    Raises
    ------
    BadImage
        If its size or channels do not fit, or it has a dark background where a bright one is needed.
    """
    card, cells = engine.card, list(instances)
    names = dict(enumerate(card.model.categories, start=1))
    said = run_through(classify_steps(image, instances.shape, cells, engine))
    ids = {name: id for id, name in names.items()}
    classified = [
        _with_probabilities(c, p, ids.get(instances.categories.get(c.category, "")))
        for c, p in zip(cells, said, strict=True)
    ]
    return Instances(instances.shape, classified, categories=names)


def classify_steps(
    image: Array, shape: tuple[int, int], cells: Sequence[Instance], engine: ClassifierEngine
) -> Generator[Progress, None, np.ndarray]:
    """Classify cells; can be stopped at every yield, between batches of cells.

    Parameters
    ----------
    image
        (C, H, W).
    shape
        (H, W) of the plane of the cells.

    Returns
    -------
    numpy.ndarray
        (N, categories) float64, in the order of the card's categories.

    Raises
    ------
    BadImage
        As in `classify`.
    """
    model = engine.card.model
    if not cells:  # whatever the plane holds: it may be blank
        return np.zeros((0, len(model.categories)))
    scaled = scaled_for(image, shape, engine.card)
    said = np.zeros((len(cells), len(model.categories)))
    for start in range(0, len(cells), _BATCH):
        batch = cells[start : start + _BATCH]
        crops = cell_crops(scaled, batch, side=model.side, context=model.context)
        said[start : start + len(batch)] = engine.probabilities(crops)
        done = start + len(batch)
        yield Progress(done, len(cells), f"Cell {done:,} of {len(cells):,}")
    return said


def _with_probabilities(cell: Instance, probabilities: np.ndarray, own: int | None) -> Instance:
    category = int(probabilities.argmax()) + 1 if cell.status == "predicted" or own is None else own
    return replace(cell, category=category, probabilities=tuple(probabilities.tolist()))


def scaled_for(image: Array, shape: tuple[int, int], card: ClassifierCard) -> np.ndarray:
    """(C, H, W) float32: the intensities as the classifier sees them."""
    if image.shape[1:] != shape:
        raise BadImage(
            f"The cells belong to an image of {shape[0]} x {shape[1]}, but this one is {image.shape[1]} x {image.shape[2]}. "
            "Choose the image that they belong to."
        )
    if image.shape[0] != card.model.in_channels:
        raise BadImage(
            f"The classifier {card.name} needs {card.model.in_channels} channels, but the image has {image.shape[0]}. "
            "Choose channels of the image or another classifier."
        )
    pixels = np.asarray(image)
    if card.model.scaling == "background":
        median = np.nanmedian(pixels.reshape(len(pixels), -1), axis=1).astype(np.float32)
        if pixels.any() and not (median > 0).all():
            raise BadImage(
                f"The classifier {card.name} needs a bright background, as in transmitted light, but half of the image is "
                f"not brighter than {median.min():g}. Choose another image or a classifier for such images."
            )
        return normalise(pixels, np.zeros_like(median), 2 * median)
    return normalise(pixels, *intensity_range(pixels, card.percentiles))


def cell_crops(image: np.ndarray, cells: Sequence[Instance], *, side: int, context: float) -> np.ndarray:
    """Crop a square around each cell, scaled by the cell's size; beyond the image, edge pixels are repeated.

    Parameters
    ----------
    image
        (C, H, W) float32.
    side
        Side of each crop in pixels.
    context
        Side of the square in the image, relative to the longer side of the cell's box.

    Returns
    -------
    numpy.ndarray
        (N, C + 1, side, side) float32; the last channel is the cell's mask in [0, 1].
    """
    out = np.zeros((len(cells), len(image) + 1, side, side), np.float32)
    for k, cell in enumerate(cells):
        y0, x0, y1, x1 = cell.box
        step = context * max(y1 - y0, x1 - x0) / side
        offsets = (np.arange(side) + 0.5 - side / 2) * step - 0.5  # pixel centres are at whole numbers
        grid = np.stack(np.meshgrid((y0 + y1) / 2 + offsets, (x0 + x1) / 2 + offsets, indexing="ij"))
        low = np.maximum(np.floor(grid.min(axis=(1, 2))).astype(int) - 1, 0)
        high = np.maximum(np.ceil(grid.max(axis=(1, 2))).astype(int) + 2, low + 1)
        seen = np.asarray(image[:, low[0] : high[0], low[1] : high[1]], np.float32)
        inside = grid - low[:, None, None]
        for c, channel in enumerate(seen):
            out[k, c] = map_coordinates(channel, inside, order=1, mode="nearest")
        own = grid - np.array([y0, x0])[:, None, None]
        out[k, -1] = map_coordinates(cell.mask.astype(np.float32), own, order=1, mode="grid-constant")
    return out
