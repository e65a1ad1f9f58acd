"""The cells of some regions of an image, without looking at the rest of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_centermask.core.instances import Box, Instances
from napari_centermask.engines import AnyEngine
from napari_centermask.io.reviewed import centred_within
from napari_centermask.pipeline.segmentation import segment
from napari_centermask.settings import SegmentSettings

CONTEXT = 3.0
"""Diameters that are seen around a region: cells at its edge are whole, and look as they do in the image."""


def segment_within(
    image: Any,
    engine: AnyEngine,
    settings: SegmentSettings,
    regions: Sequence[Box] | None,
    *,
    min_score: float | None = None,
) -> Instances:
    """Segment the cells that are centred in one of the regions; intensities are those of the whole image.

    Parameters
    ----------
    image
        (C, H, W) or (H, W) array-like.
    settings
        With a diameter, as different parts would be given different ones.
    regions
        Rectangles (y0, x0, y1, x1) in image pixels; None for the whole image.
    min_score
        See `segment`.

    Raises
    ------
    BadImage, BadSettings
        See `segment_steps`.
    ValueError
        If the settings have no diameter.
    """
    if regions is None:
        return segment(image, engine, settings, min_score=min_score)
    if settings.diameter is None:
        raise ValueError("Expected settings with a diameter to segment regions with, got none.")
    height, width = image.shape[-2:]
    found = []
    for y0, x0, y1, x1 in _with_context(regions, math.ceil(CONTEXT * settings.diameter), (height, width)):
        part = image[..., y0:y1, x0:x1]
        for cell in segment(part, engine, settings, min_score=min_score, whole=image, origin=(y0, x0)):
            found.append(replace(cell, id=len(found) + 1, y0=cell.y0 + y0, x0=cell.x0 + x0))
    categories = dict(enumerate(engine.card.model.categories, start=1))
    return centred_within(Instances((height, width), found, categories=categories), regions)


def _with_context(regions: Sequence[Box], margin: int, shape: tuple[int, int]) -> list[Box]:
    """The regions with a margin, within the image; those that meet become one, so that no cell is found twice."""
    parts: list[Box] = []
    for y0, x0, y1, x1 in regions:
        box = (max(y0 - margin, 0), max(x0 - margin, 0), min(y1 + margin, shape[0]), min(x1 + margin, shape[1]))
        while meets := next((p for p in parts if _meet(p, box)), None):
            parts.remove(meets)
            box = (min(meets[0], box[0]), min(meets[1], box[1]), max(meets[2], box[2]), max(meets[3], box[3]))
        parts.append(box)
    return parts


def _meet(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
