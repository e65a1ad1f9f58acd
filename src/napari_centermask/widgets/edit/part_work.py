"""What a worker thread does to correct a part of a large image's cells: take it out, with its pixels, and put it back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.io.large_part import LargeCorrection, Part
from napari_centermask.io.recovery import Recovered, find_recovered
from napari_centermask.io.unsaved_parts import kept_as, unsaved_parts
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.viewer.large_reader import layers_of
from napari_centermask.widgets.work.tasks import Failed, answer_for

if TYPE_CHECKING:
    from napari_centermask.core.instances import Box
    from napari_centermask.core.result import Index, Result
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.samples import LayerData


@dataclass(frozen=True)
class Taken:
    """A part that was taken out.

    Attributes
    ----------
    pixels
        (C, h, w) of the image there; None without an image.
    kept_as
        Under which name its edits are kept until they are put back.
    recovered
        Edits of it that were never put back.
    """

    correction: LargeCorrection
    part: Part
    result: Result
    pixels: np.ndarray | None
    kept_as: str
    recovered: Recovered | None


@dataclass(frozen=True)
class PutBack:
    """A part was put back: how many cells changed, and the layers that show the label images now."""

    n_cells: int
    layers: Sequence[LayerData]


def take(
    path: Path, box: Box, index: Index, image: ImagePlanes | None, held: list[LargeCorrection]
) -> Generator[Progress, None, Taken | Failed]:
    """Take out the part in a box, or one whose edits were never put back.

    Parameters
    ----------
    held
        Gets the right to correct the cells as soon as it was granted, whatever happens to this run.
    """
    return (yield from answer_for(_take(path, box, index, image, held)))


def _take(
    path: Path, box: Box, index: Index, image: ImagePlanes | None, held: list[LargeCorrection]
) -> Generator[Progress, None, Taken]:
    yield Progress(0, 0, "Reading the cells in view")
    correction = LargeCorrection(path)
    held.append(correction)
    left = unsaved_parts(path, correction.source.corrections)
    if left:
        box, index = left[0]
    part = correction.take(box, index)
    result = part.result(correction.source)
    y0, x0, y1, x1 = part.window
    pixels = None if image is None else np.asarray(image.plane(index)[:, y0:y1, x0:x1])
    name = kept_as(path, correction.source.corrections, part.box, index)
    return Taken(correction, part, result, pixels, name, find_recovered(name, result) if left else None)


def put(correction: LargeCorrection, result: Result) -> Generator[Progress, None, PutBack | Failed]:
    """Put the part back that was taken."""
    return (yield from answer_for(_put(correction, result), who="The part", then="Try again."))


def _put(correction: LargeCorrection, result: Result) -> Generator[Progress, None, PutBack]:
    yield Progress(0, 0, f"Writing to {correction.source.path.name}")
    n = correction.put(result)
    return PutBack(n, layers_of(correction.source.path))
