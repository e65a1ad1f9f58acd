"""One image of `segment`: its steps, what is to be known about it, and the files that it becomes. Used here and in workers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari_centermask.cli.large import large_steps
from napari_centermask.cli.output import write_labels
from napari_centermask.cli.plan import ImageFiles
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.core.image_kind import Kind
    from napari_centermask.engines.ensemble import AnySegmenter
    from napari_centermask.pipeline import PlaneCells, Progress
    from napari_centermask.pipeline.image_file import FileCells, OpenedFile
    from napari_centermask.pipeline.large_image import LargeResult

T = TypeVar("T")


@dataclass(frozen=True)
class Notes:
    """What is to be known about an image.

    Attributes
    ----------
    sentences
        Each for a person.
    kind
        What kind of image it is, which the model may not suit; None if that cannot be seen.
    """

    sentences: list[str]
    kind: Kind | None = None


@dataclass(frozen=True)
class Segmented:
    """What became of an image.

    Attributes
    ----------
    row
        Of the report.
    coco
        Its cells; None if they are written elsewhere.
    notes
        Sentences about planes without cells.
    """

    row: dict[str, Any]
    coco: dict[str, Any] | None
    notes: list[str]

    def named(self, files: ImageFiles) -> Segmented:
        """With the paths in the report as the command has them, and not as a worker found them."""
        return replace(self, row=self.row | _paths_of(files))


def _paths_of(files: ImageFiles) -> dict[str, str | None]:
    """The files of an image, as the report names them."""
    large = {} if files.large is None else {"cells": files.large.cells, "table": files.large.table}
    paths = {"image": files.image, "labels": files.labels, "classes": files.classes, **large}
    return {name: None if path is None else str(path) for name, path in paths.items()}


def _row(
    files: ImageFiles, done: FileCells | LargeResult, *, n_cells: int, shape: Sequence[int], diameter: float
) -> dict[str, Any]:
    """The row of the report about an image."""
    return _paths_of(files) | {
        "n_instances": n_cells,
        "shape": list(shape),
        "diameter": round(diameter, 2),
        "left_out": done.left_out,
        "seconds": round(done.seconds, 4),
    }


def steps_of(
    files: ImageFiles,
    engine: AnySegmenter,
    settings: SegmentSettings,
    coco: Path | None,
    *,
    axes: str | None,
    command: Mapping[str, Any],
    say: Callable[[Notes], None],
) -> Generator[Progress, None, Segmented]:
    """Segment an image and write its files; yields progress.

    Parameters
    ----------
    coco
        The COCO file for all images, beside which they are named; None for none.
    command
        As in `cli.large.command_of`.
    say
        Called with what is to be known before the image is segmented.
    """
    from napari_centermask.pipeline.image_file import segment_file

    if files.large is not None:
        steps = large_steps(files, engine, settings, axes=axes, command=command)
        large = yield from _noting(steps, files, say)
        row = _row(files, large, n_cells=large.n_cells, shape=large.shape, diameter=large.diameter)
        return Segmented(row, None, _missing(files, large.left_out))
    wants_classes = files.classes is not None
    done = yield from _noting(segment_file(files.image, engine, settings, axes=axes, classes=wants_classes), files, say)
    return _written(files, done, coco)


def _noting(
    steps: Generator[Progress | OpenedFile | str, None, T], files: ImageFiles, say: Callable[[Notes], None]
) -> Generator[Progress, None, T]:
    """The progress of the steps; what else they yield is said."""
    from napari_centermask.pipeline.progress import Progress

    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            done: T = end.value
            return done
        if isinstance(step, Progress):
            yield step
        else:
            say(Notes([step]) if isinstance(step, str) else _notes_of(step, files))


def _notes_of(opened: OpenedFile, files: ImageFiles) -> Notes:
    name, sentences = files.image.name, []
    if opened.image.note:
        sentences.append(opened.image.note)
    if opened.missing:
        sentences.append(f"{name} has no {', '.join(opened.missing)}: the model gets an empty channel.")
    if opened.stained:
        sentences.append(f"{name}: only the channel {opened.stained} is used. Choose others with --channels.")
    return Notes(sentences, opened.kind)


def _missing(files: ImageFiles, left_out: Sequence[str]) -> list[str]:
    return [f"{files.image.name} has no cells in {why}" for why in left_out]


def _written(files: ImageFiles, done: FileCells, coco: Path | None) -> Segmented:
    """Write the files of an image."""
    from napari_centermask.io.coco.document import to_coco
    from napari_centermask.io.coco.image_place import with_place
    from napari_centermask.io.coco.image_record import ImageRecord

    image, planes = done.image, done.planes
    size = {"pixel_size_um": image.pixel_size_um} if image.pixel_size_um else {}
    extra = size if coco is None else with_place(size, files.image, coco, files.name)
    records = [
        ImageRecord(
            *(number, files.name, files.image, d.cells.shape, d.cells, extra),
            plane=d.plane.index,
            leading=image.leading,
        )
        for number, d in enumerate(planes, start=1)
    ]
    _write(files, planes)
    n_cells = sum(len(d.cells) for d in planes)
    row = _row(files, done, n_cells=n_cells, shape=planes[0].cells.shape, diameter=planes[0].diameter)
    return Segmented(row, None if coco is None else to_coco(records), _missing(files, done.left_out))


def _write(files: ImageFiles, done: Sequence[PlaneCells]) -> None:
    """The label image and the class image, each a stack if there are several planes."""
    import numpy as np

    from napari_centermask.core.compose import label_image

    if files.labels:
        stack = np.stack([label_image(d.cells) for d in done])
        write_labels(files.labels, stack[0] if len(stack) == 1 else stack)
    if files.classes:
        stack = np.stack([d.classes for d in done])
        write_labels(files.classes, stack[0] if len(stack) == 1 else stack)
