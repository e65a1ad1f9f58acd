"""Categories of cells that are there already, by a classifier of their crops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_centermask.core.crops import cell_crops
from napari_centermask.core.errors import BadImage
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.normalise import intensity_range, normalise
from napari_centermask.engines.classifier import ClassifierEngine
from napari_centermask.models.classifier_card import ClassifierCard


def classify(image: Any, instances: Instances, engine: ClassifierEngine) -> Instances:
    """The same cells with probabilities, and the category of the highest one.

    What a person accepted, corrected or rejected keeps its category, if the classifier knows one of that name.

    Parameters
    ----------
    image
        (C, H, W), of the size of the instances.

    Raises
    ------
    BadImage
        If it has another size, or other channels than the classifier.
    """
    card, cells = engine.card, list(instances)
    names = dict(enumerate(card.model.categories, start=1))
    crops = cell_crops(
        scaled_for(image, instances.shape, card), cells, side=card.model.side, context=card.model.context
    )
    said = engine.probabilities(crops)
    ids = {name: id for id, name in names.items()}
    told = [_told(c, p, ids.get(instances.categories.get(c.category, ""))) for c, p in zip(cells, said, strict=True)]
    return Instances(instances.shape, told, categories=names)


def _told(cell: Instance, probabilities: np.ndarray, own: int | None) -> Instance:
    category = int(probabilities.argmax()) + 1 if cell.status == "predicted" or own is None else own
    return replace(cell, category=category, probabilities=tuple(probabilities.tolist()))


def scaled_for(image: Any, shape: tuple[int, int], card: ClassifierCard) -> np.ndarray:
    """(C, H, W) float32: the intensities as the classifier of a card sees them."""
    if image.shape[1:] != shape:
        raise BadImage(
            f"Expected an image of {shape[0]} x {shape[1]} for these cells, it is {image.shape[1]} x {image.shape[2]}. "
            "Choose the image that they were found in."
        )
    if len(image) != card.model.in_channels:
        raise BadImage(
            f"Expected {card.model.in_channels} channels for the classifier {card.name}, the image has {len(image)}. "
            "Choose channels of the image or another classifier."
        )
    image = np.asarray(image)
    if card.model.scaling == "background":
        median = np.nanmedian(image.reshape(len(image), -1), axis=1).astype(np.float32)
        return normalise(image, np.zeros_like(median), 2 * median)
    return normalise(image, *intensity_range(image, card.percentiles))
