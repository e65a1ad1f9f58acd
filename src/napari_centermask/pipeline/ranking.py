"""Which images to correct next: run the model on each image and its mirror images, and rank them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.instances import Instances
from napari_centermask.core.left_out import LeftOut
from napari_centermask.core.ranking import ImageSigns, agreement, describe, entropy, rank_images
from napari_centermask.engines import AnyEngine
from napari_centermask.io.images import read_image
from napari_centermask.pipeline.channels import choose_channels, named
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.planes import check_intensities
from napari_centermask.pipeline.progress import Progress
from napari_centermask.pipeline.segmentation import segment_plane, with_card_defaults
from napari_centermask.settings import LOWEST_SCORE, SegmentSettings

Key = TypeVar("Key", bound=Hashable)

MIRRORS = (1, 2)
"""Axes of (C, H, W) along which to mirror the image, one after another."""


@dataclass(frozen=True)
class Ranking(Generic[Key]):
    """Images ordered by how much correcting them would improve the model.

    Attributes
    ----------
    values
        How useful each image is for training, in [0, 1]; the image to correct first comes first.
    signs
        The measures behind each image's value.
    left_out
        Images that could not be ranked, and why.
    stopped
        A person stopped the work before all images were looked at.
    """

    values: dict[Key, float] = field(default_factory=dict)
    signs: dict[Key, ImageSigns] = field(default_factory=dict)
    left_out: dict[Key, str] = field(default_factory=dict)
    stopped: bool = False


def signs_steps(
    image: np.ndarray, engine: AnyEngine, settings: SegmentSettings
) -> Generator[Progress, None, tuple[ImageSigns, Instances]]:
    """The measures of an image and its cells, including low-confidence ones; yields between tiles.

    Runs the model three times, at the same diameter.
    """
    done = yield from segment_plane(image, engine, settings, min_score=LOWEST_SCORE, check=True)
    settings = settings.model_copy(update={"diameter": done.diameter})
    score = with_card_defaults(settings, engine.card).score
    sure = [c for c in done.cells if c.score >= score]
    agreed = []
    for axis in MIRRORS:
        mirrored = np.ascontiguousarray(np.flip(np.asarray(image), axis))
        other = yield from segment_plane(mirrored, engine, settings)
        agreed.append(agreement(sure, list(_mirrored(other.cells, axis))))
    quality = [np.clip(c.mask_quality, 0, 1) for c in sure]
    scores = np.array([c.score for c in done.cells])
    signs = ImageSigns(
        entropy=float(entropy(scores).mean()) if len(scores) else 0.0,
        disagreement=1 - float(np.mean(agreed)),
        poor_masks=1 - float(np.mean(quality)) if quality else 0.0,
        descriptor=describe(np.asarray(image), done.cells),
    )
    return signs, done.cells


def ranking_steps(
    images: Mapping[Key, Path],
    engine: AnyEngine,
    settings: SegmentSettings,
    *,
    reviewed: Mapping[Key, Path] | None = None,
    axes: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Generator[Progress, None, Ranking[Key]]:
    """Rank uncorrected images; may be closed between tiles.

    Of a stack, the middle plane is used, or the closest one that is not blank.

    Parameters
    ----------
    images
        Image files. Those that cannot be read or segmented, or with channel names that do not fit, are left out.
    reviewed
        Files of images that were reviewed: images that look like them are less useful.
    axes
        Axes of the images, as in `read_image`.
    say
        Called with notes about how an image was read.
    """
    left_out = LeftOut[Key](but=(BadSettings,))
    ranking: Ranking[Key] = Ranking(left_out=left_out.why)
    known: list[np.ndarray] = []
    entries = [(key, path, True) for key, path in (reviewed or {}).items()] + [(k, p, False) for k, p in images.items()]

    def look(number: int, key: Key, path: Path, is_known: bool) -> Generator[Progress, None, None]:
        step = Progress(number, len(entries), f"Segmenting {path.name}, image {number + 1} of {len(entries)}")
        yield step
        with (LeftOut[Key](but=(BadSettings,)) if is_known else left_out).unless_done(key, path.name):
            image, own = _middle(path, engine, settings, axes, say)
            if is_known:
                steps = segment_plane(image, engine, own, min_score=LOWEST_SCORE, check=True)
                known.append(describe(image, (yield from _as_one(steps, step)).cells))
            else:
                ranking.signs[key], _ = yield from _as_one(signs_steps(image, engine, own), step)

    try:
        for number, entry in enumerate(entries):
            yield from look(number, *entry)
    except KeyboardInterrupt:  # a person stops the command: those that were looked at are ranked
        if not ranking.signs:
            raise
        ranking = replace(ranking, stopped=True)
    keys = list(ranking.signs)
    order, values = rank_images(list(ranking.signs.values()), known)
    ranking.values.update({keys[k]: float(values[k]) for k in order})
    return ranking


def _middle(
    path: Path, engine: AnyEngine, settings: SegmentSettings, axes: str | None, say: Callable[[str], None]
) -> tuple[np.ndarray, SegmentSettings]:
    """The middle plane of a file that can be used, (C, H, W), and the settings with the names of its channels.

    Raises
    ------
    BadImage
        If it cannot be read, or its channel names do not fit.
    """
    image = read_image(path, axes=axes)
    if image.note:
        say(image.note)
    planes = [plane for _, plane in image.planes()]
    own = named(settings, image.channel_names)
    if own is not settings:  # the names come from the file, so an error in them is not one of the settings
        try:
            choose_channels(len(planes[0]), engine.card, own)
        except BadSettings as error:
            raise BadImage(str(error)) from error
    return _usable(planes, engine, own), own


def _usable(planes: Sequence[np.ndarray], engine: AnyEngine, settings: SegmentSettings) -> np.ndarray:
    """The plane closest to the middle that is not blank; the middle one, which says why, if all are."""
    middle = len(planes) // 2
    for number in sorted(range(len(planes)), key=lambda k: abs(k - middle)) if len(planes) > 1 else ():
        plane = np.asarray(planes[number])
        with suppress(BadImage):
            check_intensities(ModelInput.of(plane, engine.card, settings))
            return plane
    return np.asarray(planes[middle])


def _as_one(steps: Generator[Progress, None, Key], step: Progress) -> Generator[Progress, None, Key]:
    """The steps of one image as progress of all."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            key: Key = end.value
            return key
        yield step


def _mirrored(cells: Instances, axis: int) -> Instances:
    """Cells of a mirrored image, mirrored back."""
    back = Instances(cells.shape, categories=cells.categories)
    height, width = cells.shape
    for cell in cells:
        y0, x0, y1, x1 = cell.box
        mask = np.ascontiguousarray(np.flip(cell.mask, axis - 1))
        back.add(replace(cell, mask=mask, y0=height - y1 if axis == 1 else y0, x0=width - x1 if axis == 2 else x0))
    return back
