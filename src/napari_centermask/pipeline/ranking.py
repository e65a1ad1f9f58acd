"""Which images to correct next: run the model on each as it is and mirrored, and rank what it says."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.instances import Instances
from ..core.ranking import ImageSigns, agreement, describe, entropy, rank_images
from ..engines import Engine
from ..settings import SegmentSettings
from .segmentation import segment_steps
from .steps import Progress, suited

LOWEST_SCORE = 0.2
MIRRORS = (1, 2)
"""Axes of (C, H, W) along which the image is mirrored, one after another."""


@dataclass(frozen=True)
class Ranking:
    """Images in the order in which correcting them teaches most.

    Attributes
    ----------
    order
        Positions in the list of images.
    values
        (N,) in [0, 1], one for each image of the list.
    signs
        What each image's value was made of.
    """

    order: list[int]
    values: np.ndarray
    signs: list[ImageSigns]


def signs_steps(
    image: np.ndarray, engine: Engine, settings: SegmentSettings
) -> Generator[Progress, None, tuple[ImageSigns, Instances]]:
    """What tells how much an image would teach, and its cells, doubtful ones included; yields between tiles.

    Takes three runs of the model. The diameter is estimated once where it is not given.
    """
    if settings.diameter is None:
        from .diameter import diameter_steps

        settings = settings.model_copy(update={"diameter": (yield from diameter_steps(image, engine, settings))})
    found = yield from segment_steps(image, engine, settings, min_score=LOWEST_SCORE)
    score = suited(settings, engine.card).score
    sure = [c for c in found if c.score >= score]
    agreed = []
    for axis in MIRRORS:
        mirrored = np.ascontiguousarray(np.flip(np.asarray(image), axis))
        other = yield from segment_steps(mirrored, engine, settings)
        agreed.append(agreement(sure, list(_mirrored(other, axis))))
    quality = [np.clip(c.mask_quality, 0, 1) for c in sure]
    signs = ImageSigns(
        entropy=float(entropy(np.array([c.score for c in found])).mean()) if len(found) else 0.0,
        disagreement=1 - float(np.mean(agreed)),
        poor_masks=1 - float(np.mean(quality)) if quality else 0.0,
        descriptor=describe(np.asarray(image), found),
    )
    return signs, found


def ranking_steps(
    images: Sequence[np.ndarray],
    engine: Engine,
    settings: SegmentSettings,
    *,
    reviewed: Sequence[np.ndarray] = (),
) -> Generator[Progress, None, Ranking]:
    """Rank images that nobody corrected yet; may be closed between tiles.

    Parameters
    ----------
    images
        Each (C, H, W) array-like.
    reviewed
        Descriptors (`core.ranking.describe`) of the images that were reviewed.
    """
    signs = []
    for number, image in enumerate(images):
        yield Progress(number, len(images), f"Image {number + 1} of {len(images)}")
        found, _ = yield from _quiet(signs_steps(image, engine, settings), number, len(images))
        signs.append(found)
    order, values = rank_images(signs, reviewed)
    return Ranking(order, values, signs)


def _quiet(steps: Generator[Progress, None, tuple], done: int, total: int) -> Generator[Progress, None, tuple]:
    """The steps of one image as steps of all."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        yield Progress(done, total, step.message)


def _mirrored(cells: Instances, axis: int) -> Instances:
    """Cells of a mirrored image where they lie in the image."""
    back = Instances(cells.shape, categories=cells.categories)
    height, width = cells.shape
    for cell in cells:
        y0, x0, y1, x1 = cell.box
        mask = np.ascontiguousarray(np.flip(cell.mask, axis - 1))
        back.add(replace(cell, mask=mask, y0=height - y1 if axis == 1 else y0, x0=width - x1 if axis == 2 else x0))
    return back
