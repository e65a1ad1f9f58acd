"""Measure cells off the GUI thread: the worker's input and its work."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.formats.loss import only_shown
from napari_centermask.io.measurements import Measured, write_measurements
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.viewer.planes import channel_names
from napari_centermask.widgets.viewer.shown import image_path
from napari_centermask.widgets.viewer.writer import pixel_size
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.widgets.viewer.shown import Shown

_EVERY = 25  # cells between two reports of progress


@dataclass(frozen=True)
class Written:
    """The files of a measurement, the number of cells in them, and why images were left out."""

    paths: tuple[Path, Path]
    cells: int
    left_out: tuple[str, ...] = ()


def axis_names(source: Image, axes: Sequence[int]) -> tuple[str, ...]:
    """Names of the axes before height and width: the layer's, else t, or t and z."""
    labels = [str(source.axis_labels[a]) for a in axes]
    usual = ("t", "z") if len(axes) == 2 else ("t",)
    return tuple(
        name if name.isalpha() else usual[k] if k < len(usual) else f"axis{a}"
        for k, (a, name) in enumerate(zip(axes, labels, strict=True))
    )


def channels_of(shown: Shown) -> tuple[str, ...]:
    """Names of the channels of an image with cells."""
    return tuple(channel_names(shown.source(), channel_axis=shown.planes.channel_axis))


def pixel_size_of(shown: Shown) -> float | None:
    """Side of a pixel in micrometres of an image with cells; None if it is unknown."""
    source = shown.source()
    return pixel_size({"units": getattr(source, "units", ()), "scale": source.scale}).get("pixel_size_um")


def measured_layer(shown: Shown, dead: int | None) -> Measured:
    """A snapshot of an image layer and its cells; later edits do not change it."""
    source, planes = shown.source(), shown.planes
    return Measured(
        only_shown(shown.result),
        lambda index: np.asarray(planes.plane(index)),
        channels_of(shown),
        axis_names(source, planes.axes),
        pixel_size_of(shown),
        dead,
        Path(path) if (path := image_path(source)) else None,
    )


def measure_all(
    path: Path, images: Sequence[Measured], left_out: LeftOut[str]
) -> Generator[Progress, None, Written | Failed]:
    """Write the measurements of images, but of those that are or come to be left out; for the worker thread."""
    steps = write_measurements(path, images, left_out=left_out)
    try:
        while True:
            step = next(steps)
            if step.done % _EVERY == 0:
                yield Progress(step.done, step.total, f"Cell {step.done:,} of {step.total:,} …")
    except StopIteration as stop:
        cells = sum(i.result.n_visible() for i in images if i.name not in left_out.why)
        return Written(stop.value, cells, tuple(left_out.sentences))
    except UserError as error:
        return Failed.of(error)
    finally:
        steps.close()  # also after Cancel: no incomplete file stays
