"""Segment an image file: the one way of the command line and of the docks for many images."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.array import OneChannel
from napari_centermask.core.image_kind import Kind, image_kind
from napari_centermask.engines.ensemble import AnySegmenter
from napari_centermask.io.image_data import ImageData
from napari_centermask.io.images import read_image
from napari_centermask.pipeline.channels import missing_channels, named, with_stained_channel
from napari_centermask.pipeline.planes import Plane, planes_of
from napari_centermask.pipeline.progress import Progress
from napari_centermask.pipeline.segmentation import PlaneCells, segment_planes
from napari_centermask.settings import SegmentSettings


@dataclass(frozen=True)
class OpenedFile:
    """An image file before it is segmented.

    Attributes
    ----------
    image
        As it was read.
    kind
        What kind of image it is; None if that cannot be seen.
    missing
        Channels that the model knows and the image lacks.
    stained
        Name of the only channel that is used because it shows nuclei; empty if all or chosen ones are.
    """

    image: ImageData
    kind: Kind | None
    missing: tuple[str, ...]
    stained: str = ""


@dataclass(frozen=True)
class FileCells:
    """The cells of an image file.

    Attributes
    ----------
    image
        As it was read.
    planes
        The cells of each plane.
    kind
        What kind of image it is; None if that cannot be seen.
    seconds
        For all of it, reading included.
    """

    image: ImageData
    planes: tuple[PlaneCells, ...]
    kind: Kind | None
    seconds: float

    @property
    def left_out(self) -> list[str]:
        """The planes that cannot be used, each with the reason."""
        labels = [label for label, _ in self.image.planes()]
        return [f"{label}: {p.problem}" for label, p in zip(labels, self.planes, strict=True) if p.problem]


def segment_file(
    path: Path,
    engine: AnySegmenter,
    settings: SegmentSettings,
    *,
    axes: str | None = None,
    leading: tuple[int, ...] | None = None,
    names: Sequence[str] = (),
    min_score: float | None = None,
    classes: bool = False,
) -> Generator[Progress | OpenedFile, None, FileCells]:
    """Read an image, yield it, and segment all its planes; may be closed at every yield, between tiles.

    Parameters
    ----------
    axes, leading
        What the axes are, and the planes if they are known, as in `io.images.read_image`.
    names
        Names of the channels if the file has none.
    min_score, classes
        As in `segment_planes`.

    Raises
    ------
    BadImage, BadSettings
        If it cannot be read, and as `segment_planes`.
    """
    start = time.perf_counter()
    yield Progress(0, 0, f"Reading {path.name}")
    image = read_image(path, axes=axes, leading=leading)
    planes, settings, opened = opened_image(image, engine, settings, names=names)
    yield opened
    done = []
    for step in segment_planes(planes, engine, settings, min_score=min_score, classes=classes):
        if isinstance(step, PlaneCells):
            done.append(step)
        else:
            yield step
    return FileCells(image, tuple(done), opened.kind, time.perf_counter() - start)


def opened_image(
    image: ImageData, engine: AnySegmenter, settings: SegmentSettings, *, names: Sequence[str] = ()
) -> tuple[list[Plane], SegmentSettings, OpenedFile]:
    """The planes of an image, the settings with its channels, and what is to be known before; see `segment_file`."""
    settings = named(settings, image.channel_names or names)
    planes = planes_of(image)
    missing = missing_channels(planes[0].pixels.shape[0], engine.card, settings)
    chosen = with_stained_channel(settings, engine.card)
    stained = "" if chosen is settings else (chosen.channel_names or [])[(chosen.channels or [0])[0]]
    return planes, chosen, OpenedFile(image, _kind(image, planes, chosen), tuple(missing), stained)


def _kind(image: ImageData, planes: Sequence[Plane], settings: SegmentSettings) -> Kind | None:
    """The kind of the plane in the middle, by the first of the chosen channels."""
    pixels, is_rgb = planes[len(planes) // 2].pixels, "S" in image.axes
    first = (settings.channels or [0])[0]
    if not is_rgb and first >= pixels.shape[0]:
        return None  # what reads the channels says so
    return image_kind(pixels if is_rgb else OneChannel(pixels, first), is_rgb=is_rgb)
