"""What a worker thread does to correct a part of a large image's cells: take it out, with its pixels, and put it back."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.io.large_part import LargeCorrection, Part
from napari_centermask.io.recovery import Recovered, find_recovered, unsaved_sources
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.viewer.large_reader import layers_of
from napari_centermask.widgets.work.tasks import Failed, answer_for

if TYPE_CHECKING:
    from napari_centermask.core.instances import Box
    from napari_centermask.core.result import Index, Result
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.samples import LayerData

PartPlace = tuple["Box", "Index"]


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
    kept_as = _kept_as(path, correction.source.corrections, part)
    return Taken(correction, part, result, pixels, kept_as, find_recovered(kept_as, result) if left else None)


def put(correction: LargeCorrection, result: Result) -> Generator[Progress, None, PutBack | Failed]:
    """Put the part back that was taken."""
    return (yield from answer_for(_put(correction, result), who="The part", then="Try again."))


def _put(correction: LargeCorrection, result: Result) -> Generator[Progress, None, PutBack]:
    yield Progress(0, 0, f"Writing to {correction.source.path.name}")
    n = correction.put(result)
    return PutBack(n, layers_of(correction.source.path))


def unsaved_parts(path: Path, corrections: int) -> list[PartPlace]:
    """The parts of these cells whose edits are kept and were never put back, the latest first."""
    found: list[PartPlace] = []
    for source in unsaved_sources():
        try:
            known = json.loads(source)
            if (known["cells"], known["corrections"]) == (str(path.resolve()), corrections):
                y0, x0, y1, x1 = map(int, known["box"])
                found.append(((y0, x0, y1, x1), tuple(map(int, known["plane"]))))
        except (ValueError, LookupError, TypeError):
            continue
    return found


def _kept_as(path: Path, corrections: int, part: Part) -> str:
    """A name that holds for the cells as they are now: after another correction, ids may be those of other cells."""
    place = {"cells": str(path.resolve()), "corrections": corrections, "plane": part.index, "box": part.box}
    return json.dumps(place, default=int)
