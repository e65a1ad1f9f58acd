"""The planes of an image to segment: each is prepared once, and all share one diameter."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadImage
from napari_centermask.core.instances import Box
from napari_centermask.core.regions import Region, windows
from napari_centermask.core.result import Index
from napari_centermask.engines import AnyEngine
from napari_centermask.io.image_data import ImageData
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.diameter import estimated, plane_diameter
from napari_centermask.pipeline.model_input import ModelInput, check_form
from napari_centermask.pipeline.passes import Pass, passes_for
from napari_centermask.pipeline.progress import Progress
from napari_centermask.settings import SegmentSettings

MEASURED = 5
"""Largest number of planes to estimate the diameter on: each takes the network's time for one or two tiles. A choice."""
_SAMPLED = 512  # pixels along the longer side of a lazy array: a choice, a quarter of a million in all


@dataclass(frozen=True)
class Plane:
    """One plane of an image.

    Attributes
    ----------
    index
        Position on the time and z axes; () for an image of one plane.
    pixels
        (C, H, W) array-like: memory maps, dask and zarr arrays are read window by window.
    region
        Polygons (n, 2) y, x: only find cells centred inside; None for all.
    """

    index: Index
    pixels: Array
    region: Region | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.pixels.shape[-2]), int(self.pixels.shape[-1])


def planes_of(image: ImageData) -> list[Plane]:
    """All planes of an image file."""
    return [Plane(index, pixels) for index, (_, pixels) in zip(np.ndindex(*image.leading), image.planes(), strict=True)]


class PlaneInputs:
    """Planes as the model sees them, each prepared once, on first use.

    Parameters
    ----------
    planes
        Planes of one image, at least one.
    check
        Whether to reject planes with NaN and planes without contrast.

    Raises
    ------
    BadImage, BadSettings
        If axes, data type, channels or their names do not fit, which is the same for every plane.
    """

    def __init__(self, planes: Sequence[Plane], card: ModelCard, settings: SegmentSettings, *, check: bool) -> None:
        if not planes:
            raise ValueError("There are no planes.")
        check_form(planes[0].pixels, card, settings)
        self.planes = planes
        self._card, self._settings, self._check = card, settings, check
        self._inputs: dict[int, ModelInput | BadImage] = {}

    def __getitem__(self, number: int) -> ModelInput | BadImage:
        """A plane, or the reason why it cannot be used."""
        if number not in self._inputs:
            try:
                self._inputs[number] = self._open(self.planes[number])
            except BadImage as error:
                self._inputs[number] = error.with_traceback(None)
        return self._inputs[number]

    def _open(self, plane: Plane) -> ModelInput:
        plane_input = ModelInput.of(plane.pixels, self._card, self._settings)
        parts = None if plane.region is None else windows(plane.region, plane_input.shape)
        if plane.region and not parts:
            raise BadImage("The region is outside the image. Draw it on the image and run again.")
        if self._check:
            check_intensities(plane_input, parts, alone=len(self.planes) == 1)
        return plane_input

    def usable(self, number: int) -> ModelInput:
        """A plane; raises its `BadImage` if it cannot be used."""
        plane_input = self[number]
        if isinstance(plane_input, BadImage):
            raise plane_input
        return plane_input

    def close(self, number: int) -> None:
        """Release a plane that is done."""
        self._inputs.pop(number, None)

    def check(self) -> Generator[Progress, None, None]:
        """Look for a usable plane; yields between planes.

        Raises
        ------
        BadImage
            If there is none: with what is wrong with the first plane.
        """
        for number in range(len(self.planes)):
            if number:
                yield Progress(0, 0, "Checking the planes")
            if isinstance(self[number], ModelInput):
                return
        n, first = len(self.planes), self[0]
        if n > 1 and isinstance(first, BadImage):
            raise BadImage(f"None of the {n} planes can be used. The first: {first} Choose another image or channel.")
        self.usable(0)

    def passes(self, engine: AnyEngine, settings: SegmentSettings) -> Generator[Progress, None, tuple[Pass, ...]]:
        """The passes at the diameter of the settings or, without one, at that of the image; yields between tiles."""
        if settings.diameter is not None:
            return passes_for(self._card, settings.diameter)
        return (yield from self.estimate(engine, settings))

    def estimate(self, engine: AnyEngine, settings: SegmentSettings) -> Generator[Progress, None, tuple[Pass, ...]]:
        """Estimate the typical cell diameters in the image on some of its planes; yields between tiles.

        Uses up to `MEASURED` evenly spaced planes, and others in place of those that are blank or
        unusable. Planes in which the model finds no cell do not count.

        Returns
        -------
        tuple of Pass
            With the median of the planes' diameters in image pixels (see `plane_diameter`); what cannot be estimated follows
            from what can, or from the training data (`completed`, `usual_diameter`).
        """
        found: list[list[float | None]] = []
        for number in _spread(len(self.planes)):
            plane = self[number]
            if isinstance(plane, BadImage) or plane.is_blank:
                yield Progress(0, 0, "Estimating the cell diameter")
                continue
            found.append((yield from plane_diameter(plane, engine, settings)))
            if len(found) == MEASURED:
                break
        return estimated(self._card, [_median(column) for column in zip(*found, strict=True)])


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _spread(n: int) -> Iterator[int]:
    """The numbers below n: first the centres of `MEASURED` equal parts, then the others."""
    first = dict.fromkeys((2 * k + 1) * n // (2 * MEASURED) for k in range(MEASURED))
    yield from first
    yield from (number for number in range(n) if number not in first)


def check_intensities(plane: ModelInput, parts: Sequence[Box] | None = None, *, alone: bool = True) -> None:
    """Raise an error for NaN, infinite or constant intensities in the channels in use.

    Arrays in memory are checked completely, lazy ones by a coarse sample.

    Parameters
    ----------
    parts
        Only check these boxes (y0, x0, y1, x1); by default the whole plane.
    alone
        Whether the plane is the whole image; among others, a constant one needs no advice.

    Raises
    ------
    BadImage
        If intensities are not finite, or constant.
    """
    image = plane.image
    step = 1 if isinstance(image, np.ndarray) else max(1, max(plane.shape) // _SAMPLED)
    boxes = [(0, 0, *plane.shape)] if parts is None else parts
    samples = [np.asarray(image[c : c + 1, y0:y1:step, x0:x1:step]) for c in plane.ranges for y0, x0, y1, x1 in boxes]
    for sample in samples:
        n_bad = int(np.count_nonzero(~np.isfinite(sample))) if sample.dtype.kind == "f" else 0
        if n_bad:
            raise BadImage(
                f"{n_bad:,} of {sample.size:,} pixels are NaN or infinite. "
                "Replace them, for instance with numpy.nan_to_num."
            )
    if samples and all(sample.min() == sample.max() for sample in samples):
        if not alone:
            raise BadImage("It has no contrast: all its pixels are equal.")
        raise BadImage("The image has no contrast: all its pixels are equal. Choose another image or channel.")
