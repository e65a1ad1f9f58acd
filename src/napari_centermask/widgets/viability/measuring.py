"""Measure cells off the GUI thread: the worker's input and its work."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.core.errors import UserError
from napari_centermask.io.formats.loss import only_shown
from napari_centermask.io.measurements import Measured, write_measurements
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.viewer.planes import channel_names
from napari_centermask.widgets.viewer.writer import pixel_size
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.io.project import Project
    from napari_centermask.widgets.viewer.shown import Shown

_EVERY = 25  # cells between two reports of progress


@dataclass(frozen=True)
class Written:
    """The files of a measurement, and the number of cells in them."""

    paths: tuple[Path, Path]
    cells: int


def axis_names(source: Image, axes: Sequence[int]) -> tuple[str, ...]:
    """Names of the axes before height and width: the layer's, else t, or t and z."""
    labels = [str(source.axis_labels[a]) for a in axes]
    usual = ("t", "z") if len(axes) == 2 else ("t",)
    return tuple(
        name if name.isalpha() else usual[k] if k < len(usual) else f"axis{a}"
        for k, (a, name) in enumerate(zip(axes, labels, strict=True))
    )


def measured_layer(shown: Shown, dead: int | None) -> Measured:
    """A snapshot of an image layer and its cells; later edits do not change it."""
    source, planes = shown.source(), shown.planes
    size = pixel_size({"units": getattr(source, "units", ()), "scale": source.scale}).get("pixel_size_um")
    return Measured(
        only_shown(shown.result),
        lambda index: np.asarray(planes.plane(index)),
        tuple(channel_names(source, channel_axis=planes.channel_axis)),
        axis_names(source, planes.axes),
        size,
        dead,
    )


def measured_project(project: Project, dead: int | None) -> list[Measured]:
    """A snapshot of all images of a project that have cells.

    Raises
    ------
    UserError
        If an image cannot be read.
    """
    measured = []
    for image in project.images:
        if image.problem or image.status == "untouched":
            continue
        result = only_shown(project.result(image.id))
        result.name = image.file_name
        measured.append(replace(Measured.of_file(result, image.path), dead=dead))
    return measured


def measure_all(path: Path, images: Sequence[Measured]) -> Generator[Progress, None, Written | Failed]:
    """Write the measurements of images; for the worker thread."""
    cells = 0
    steps = write_measurements(path, images)
    try:
        while True:
            step = next(steps)
            cells = step.done
            if cells % _EVERY == 0:
                yield Progress(cells, step.total, f"Cell {cells:,} of {step.total:,} …")
    except StopIteration as stop:
        return Written(stop.value, cells)
    except UserError as error:
        return Failed(str(error))
    finally:
        steps.close()  # also after Cancel: no incomplete file stays
