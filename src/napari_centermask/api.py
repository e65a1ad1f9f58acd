"""For notebooks and scripts: segment an array, look at its cells, write them, and fine-tune a model on corrections.

>>> import napari_centermask as ncm
>>> cells = ncm.segment(ncm.sample_image(), "nuclei")
>>> cells
<Cells: 126 cells in 520 x 696 pixels>
>>> cells.to_labels().shape
(520, 696)
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from napari_centermask.cli import demo
from napari_centermask.core.compose import label_image
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage, BadSettings, MissingExtra, TrainingFailed
from napari_centermask.core.instances import Instance
from napari_centermask.core.measure import Background, measure
from napari_centermask.core.result import Result
from napari_centermask.engines import AnyEngine, fastest
from napari_centermask.engines.load import load_chosen
from napari_centermask.events import ComparisonEvent, Event
from napari_centermask.io.axes import doubt, given_axes, guess_axes
from napari_centermask.io.coco.document import to_coco
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.disk_images import on_disk, open_on_disk
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.formats.files import format_named, guess_target, read_files, write_files
from napari_centermask.io.image_data import ImageData
from napari_centermask.io.images import read_image
from napari_centermask.io.large_cells import LargePlaces
from napari_centermask.io.run_file import stamp
from napari_centermask.io.scene_paths import file_of, flat
from napari_centermask.jobs.child import run_child
from napari_centermask.jobs.finetune import prepare
from napari_centermask.jobs.process import Job
from napari_centermask.models.store.zoo import check_new_name, find_model
from napari_centermask.pipeline import PlaneCells, Progress, planes_of, segment_planes
from napari_centermask.pipeline.large_image import segment_large as segment_large_steps
from napari_centermask.settings import SegmentSettings, TrainSettings, fault_text

if TYPE_CHECKING:
    import pandas

S = TypeVar("S", bound=BaseModel)
_KEPT: dict[tuple[object, ...], AnyEngine] = {}
"""The engine of the last call of `segment`."""


class Cells:
    """The cells of one image, of all its planes; each has a mask of its own, so that cells may overlap.

    Parameters
    ----------
    result
        Where the cells live; `core.history.History` edits them with undo.
    image
        The image; without it, cells have shapes but no intensities.

    Examples
    --------
    >>> cells = ncm.segment(ncm.sample_image())
    >>> first = next(iter(cells))
    >>> int(first.mask.sum()) == first.area
    True
    """

    def __init__(self, result: Result, image: ImageData | None = None) -> None:
        self.result = result
        self.image = image

    def __len__(self) -> int:
        return self.result.n_visible()

    def __iter__(self) -> Iterator[Instance]:
        """The cells plane by plane, with box, mask, score, category and status; rejected ones are left out."""
        return (cell for index in self.result.planes for cell in self.result.visible(index))

    def __repr__(self) -> str:
        size = " x ".join(map(str, (*self.result.leading, *self.result.shape)))
        return f"<Cells: {counted(len(self), 'cell')} in {size} pixels>"

    @property
    def categories(self) -> dict[int, str]:
        """Names of the categories by the numbers that the cells have."""
        return dict(self.result.categories)

    def to_labels(self) -> np.ndarray:
        """The id of the topmost cell in each pixel: (H, W) int32, or (T, Z, H, W) as far as the image has these axes.

        What lies under another cell is lost; `to_coco` and `save` keep it.

        Examples
        --------
        >>> labels = ncm.segment(ncm.sample_image()).to_labels()
        >>> labels.dtype, labels.shape
        (dtype('int32'), (520, 696))
        """
        labels = np.zeros((*self.result.leading, *self.result.shape), np.int32)
        for index in self.result.planes:
            label_image(self.result.visible(index), out=labels[index])
        return labels

    def to_coco(self) -> dict[str, Any]:
        """A COCO document with all that is known of the cells, ready for `json.dump`."""
        return to_coco(records_of(self.result, self.result.name))

    def regionprops_table(self, *, channel_names: Sequence[str] | None = None) -> pandas.DataFrame:
        """One row for each cell: its place, category and score, its shape, and the intensities of every channel.

        Parameters
        ----------
        channel_names
            By default those of the image, or numbers from 0.

        Raises
        ------
        MissingExtra
            If pandas is missing.
        BadSettings
            If there is not one name for each channel.

        Examples
        --------
        >>> table = ncm.segment(ncm.sample_image()).regionprops_table()
        >>> [name for name in table if name.startswith("mean")]
        ['mean_0']
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtra(f"regionprops_table needs pandas ({error}): pip install pandas") from error
        rows = []
        for index in self.result.planes:
            cells = self.result.visible(index)
            names, pixels, size = self._channels(index, channel_names)
            nothing = Background("none")
            for cell, values in measure(pixels, cells, channels=names, background=nothing, pixel_size_um=size):
                rows.append(self.result.row(index, cell) | values)
        return pandas.DataFrame(rows)

    def _channels(
        self, index: tuple[int, ...], given: Sequence[str] | None
    ) -> tuple[list[str], np.ndarray, float | None]:
        """Names and pixels of the channels of a plane, and the pixel size."""
        if self.image is None:
            return [], np.zeros((0, *self.result.shape), np.uint8), None
        planes = dict(zip(np.ndindex(*self.image.leading), self.image.planes(), strict=True))
        pixels = planes[index][1]
        names = list(given or self.image.channel_names or map(str, range(len(pixels))))
        if len(names) != len(pixels):
            raise BadSettings(
                f"The image has {counted(len(pixels), 'channel')}, but {len(names)} names are given. Give one for each."
            )
        return names, pixels, self.image.pixel_size_um

    def save(self, path: str | Path, format: str | None = None, *, overwrite: bool = False) -> list[Path]:
        """Write the cells into a file; a warning says what the format loses, such as the overlaps in a label image.

        Parameters
        ----------
        format
            "coco", "labels", "imagej", "geojson", "cellpose", "ome-zarr" (0.4) or "ome-zarr-0.5"; by default it follows from
            the name.

        Returns
        -------
        list of Path
            The written files.

        Raises
        ------
        UserError
            If the format is not clear, or a file would be replaced.
        """
        path = Path(path)
        of = format_named(format) if format else guess_target(path)
        if of is None:
            raise BadSettings(f"The format of {path.name} is not clear. Give one, such as format='coco'.")
        if loss := of.loss([self.result]):
            warnings.warn(f"{of.title}: {loss.text()}", stacklevel=2)
        return write_files(path, [self.result], of, overwrite=overwrite)


def segment(
    image: Any,
    model: str | Path | AnyEngine = "nuclei",
    *,
    axes: str | None = None,
    channel_names: Sequence[str] | None = None,
    name: str = "image",
    progress: Callable[[float, str], None] | None = None,
    **settings: Any,
) -> Cells:
    """Segment an image, all its planes.

    Parameters
    ----------
    image
        An array, (H, W), (C, H, W), a stack, or an image file.
    model
        Name or file of a model, or what `load_engine` returned, which saves loading it again.
    axes
        A letter for each axis (T, Z, C, Y, X), such as "ZYX"; by default a guess; a warning says so if it is ambiguous.
    channel_names
        Names of the channels, for models that ask for them.
    name
        What the image is called in files; by default that of the image file.
    progress
        Called with the part that is done, in [0, 1], and what is done.
    settings
        Fields of `SegmentSettings`, such as `diameter=35` or `score=0.5`.

    Returns
    -------
    Cells
        They know their image, for measurements.

    Raises
    ------
    UserError
        If the image, the model or a setting cannot be used; the message says what to do.
    """
    data = read_image(Path(image), axes=axes) if isinstance(image, (str, Path)) else _named_axes(image, axes, name)
    if data.note:
        warnings.warn(re.sub(r"--axes (\w+)", r"axes='\1'", data.note), stacklevel=2)
    chosen = _checked(SegmentSettings, settings)
    names = channel_names or data.channel_names
    if names:
        chosen = chosen.model_copy(update={"channel_names": list(names)})
    engine = _loaded(model, chosen) if isinstance(model, (str, Path)) else model
    result = Result(data.plane_shape, leading=data.leading, name=data.name)
    for step in segment_planes(planes_of(data), engine, chosen):
        if isinstance(step, PlaneCells):
            result.put(step.plane.index, step.cells)
            if step.problem:
                warnings.warn(f"No cells in plane {step.plane.index}: {step.problem}", stacklevel=2)
        elif progress is not None:
            progress(step.part, step.message)
    return Cells(result, data)


def segment_large(
    image: Any,
    out: str | Path,
    model: str | Path | AnyEngine = "nuclei",
    *,
    axes: str | None = None,
    name: str = "image",
    overwrite: bool = False,
    progress: Callable[[float, str], None] | None = None,
    **settings: Any,
) -> CellsOnDisk:
    """Segment an image that is larger than memory tile by tile; its cells are written while they are found.

    A call that was stopped, or whose process was killed, goes on with the same call, with the same cells as without a stop.

    Parameters
    ----------
    image
        An OME-Zarr, TIFF or NPY file, or a dask or zarr array, a memory map, or anything else that is read where it is sliced,
        such as the data of a lazy layer of napari in full size.
    out
        Folder for NAME_cells.ome.zarr, labels in which no cell hides another, and NAME_cells.parquet, a row for each cell.
    name
        What an array is called; of a file, its own name. An array of another content needs another one.
    overwrite
        Replace what another call wrote there; cells that were corrected are never replaced.
    model, axes, progress, settings
        As in `segment`.

    Returns
    -------
    CellsOnDisk
        Reads the cells of a part of the image.

    Raises
    ------
    UserError
        As `segment`; if a part of the image cannot be read, or the cells cannot be written; or if there are results already.
    """
    is_file = isinstance(image, (str, Path))
    data = open_on_disk(Path(image), axes=axes) if is_file else on_disk(image, axes=axes, name=name)
    chosen = _checked(SegmentSettings, settings)
    engine = _loaded(model, chosen) if isinstance(model, (str, Path)) else model
    source = [str(Path(image).resolve()), stamp(file_of(Path(image)))] if is_file else [name, str(data.data.dtype)]
    command = {
        "image": [*source, list(data.data.shape), data.axes],
        "model": [engine.card.name, engine.name, engine.precision],
        "settings": chosen.model_dump(mode="json", exclude_unset=True),
    }
    places = LargePlaces.named(Path(out), flat(Path(image)).stem if is_file else name)
    if not overwrite and places.state(command) is None and (places.cells.exists() or places.table.exists()):
        places.check_free()
        raise BadSettings(f"{places.cells} already exists. Choose another folder or name, or overwrite=True.")
    for step in segment_large_steps(data, engine, chosen, places, command=command):
        if progress is not None and isinstance(step, Progress):
            progress(step.part, step.message)
    return CellsOnDisk.open(places.cells)


def _loaded(model: str | Path, chosen: SegmentSettings) -> AnyEngine:
    """An engine, which is kept for the next call with the same model and settings."""
    files = find_model(model)
    stamps = tuple((path, path.stat().st_mtime_ns) for path in files.paths)
    key = stamps, chosen.engine, chosen.device, chosen.precision, fastest.version()
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = load_chosen(files, chosen)
    return _KEPT[key]


def _checked(kind: type[S], values: dict[str, Any]) -> S:
    """Settings, or an error that names the fields as Python does."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, f['loc']))}: {fault_text(f)}" for f in error.errors()]
        raise BadSettings("; ".join(faults) + ".") from None


def _named_axes(image: Any, axes: str | None, name: str) -> ImageData:
    """An array with named axes."""
    data = np.asarray(image)
    if data.dtype.kind not in "buif" or data.size == 0:
        raise BadImage(f"An image holds whole or real numbers, not {data.dtype} of shape {data.shape}.")
    if axes is not None:
        return ImageData(data, given_axes(name, data.shape, axes), name)
    guessed, other = guess_axes(name, data.shape)
    return ImageData(data, guessed, name, note=doubt(name, data.shape, guessed, other), other_axes=other)


def read_cells(path: str | Path, format: str | None = None, *, labels: Sequence[str] | None = None) -> list[Cells]:
    """The cells of a file in any format, one item for each image.

    Parameters
    ----------
    path
        COCO, a label image, ImageJ ROIs, GeoJSON, Cellpose's file, OME-Zarr, LabelMe or YOLO, or a folder of them; with "ctc" as
        `format`, a folder of the Cell Tracking Challenge as one series.
    labels
        Names of the label images to read from an OME-Zarr; by default all, each as a category.

    Raises
    ------
    BadAnnotations
        If the file cannot be read.
    """
    of = format_named(format, to_read=True) if format else None
    _, reading = read_files(Path(path), of, labels=labels)
    return [Cells(result) for result in reading.results]


def read_coco(path: str | Path) -> list[Cells]:
    """The cells of a COCO file, one item for each image; see `read_cells`."""
    return read_cells(path, "coco")


def sample_image() -> np.ndarray:
    """The included image of nuclei in fluorescence, (H, W) uint8."""
    return next(pixels for _, pixels in read_image(demo.sample_image()).planes())[0]


@dataclass(frozen=True)
class FineTuned:
    """How a fine-tuning run ended.

    Attributes
    ----------
    folder
        The run folder, with its log, curves and comparison.
    model
        The new weights; None if none was better than the start.
    recommended
        Whether the new model is better than the one before on images that neither has seen.
    sentence
        The reason, with figures.
    """

    folder: Path
    model: Path | None
    recommended: bool
    sentence: str


def fine_tune(
    data: str | Path,
    start: str | None = "nuclei",
    *,
    network: str = "centermask",
    out: str | Path | None = None,
    install: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> FineTuned:
    """Fine-tune a model on a project or a folder with COCO, in a process of its own; returns when it has ended.

    Parameters
    ----------
    data
        A project, or a folder with images/ and annotations.json.
    start
        The model to start from; None to train from scratch.
    network
        Family of the new network that is trained from scratch: centermask, unet or maskrcnn.
    out
        The run folder; by default a new one in `runs` of the data.
    install
        Install the new model under this name if it is recommended.
    on_event
        Called with every event (`napari_centermask.events`): steps with losses, evaluations, the comparison.
    settings
        Fields of `TrainSettings`, such as `minutes=10` or `steps=200`, instead of those that are computed from the data.

    Raises
    ------
    UserError
        If the data, the model or a setting cannot be used.
    TrainingFailed
        If the training ended early, with the reason.
    """
    if install:
        check_new_name(install)
    suggestion = prepare(Path(data), start, network=network, out=None if out is None else Path(out))
    job = Job.start(_checked(TrainSettings, suggestion.settings.model_dump() | settings))
    try:
        for events in job.follow():
            for event in events if on_event else ():
                on_event(event)
    except BaseException:
        job.stop()
        raise
    if job.failure is not None:
        raise TrainingFailed(job.failure.message)
    verdict = job.last(ComparisonEvent) or ComparisonEvent()
    if install and verdict.recommended and job.model is not None:
        for _ in run_child(["models", "add", str(job.model), "--name", install]):
            pass
    return FineTuned(job.folder, job.model, verdict.recommended, verdict.sentence)
