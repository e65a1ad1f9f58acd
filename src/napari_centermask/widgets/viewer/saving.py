"""Save the cells of an image in any format: the choice of files as pure functions, and the work of the thread."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.core.errors import UserError
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_place import with_place
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.own_files import check_targets
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.parts.control import Control, control
from napari_centermask.widgets.viewer.measured import Written, measure_all
from napari_centermask.widgets.viewer.writer import file_name_of
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari_centermask.io.measurements import Measured

MEASURES = "measures"
_ENDINGS = {name: format.ending for name, format in FORMATS.items()} | {MEASURES: ".csv"}
_TITLES = {name: format.title for name, format in FORMATS.items()} | {MEASURES: "Table of measurements"}


@dataclass(frozen=True)
class Saved:
    """What was saved.

    Attributes
    ----------
    loss
        What the format could not hold; empty if nothing is lost.
    holds_cells
        Whether the file holds the cells themselves, and not only their measurements.
    """

    paths: tuple[Path, ...]
    cells: int
    loss: str = ""
    holds_cells: bool = True


def save_control(image: str, n_cells: int) -> Control:
    """The button that saves the cells of an image."""
    reason = "There is no image." if not image else "" if n_cells else f"'{image}' has no cells to save."
    return control(
        f"Save the cells of '{image}' as COCO, labels, ImageJ, QuPath, Cellpose, OME-Zarr or a table.", reason
    )


def filters() -> dict[str, str]:
    """The filters of the dialog, COCO first, with the format of each."""
    return {f"{_TITLES[name]} (*{ending})": name for name, ending in _ENDINGS.items()}


def chosen(path: str, filter: str) -> tuple[Path, str]:
    """The file and the format that were chosen: a known ending that was typed decides, else the filter.

    Parameters
    ----------
    path
        As typed, with or without an ending.
    filter
        One of `filters`.
    """
    name, typed = filters().get(filter, "coco"), path.lower()
    is_zarr = name == "ome-zarr-0.5" and typed.endswith(".zarr")  # the ending is that of 0.4, too
    if not typed.endswith(_ENDINGS[name]) and not is_zarr:
        known = [n for n, ending in _ENDINGS.items() if typed.endswith(ending)]
        loose = {".tif": "labels", ".tiff": "labels", ".zip": "imagej", ".npy": "cellpose", ".zarr": "ome-zarr"}
        known = known or [n for ending, n in loose.items() if typed.endswith(ending)]
        if known:
            name = known[0]
        elif not (name == "labels" and typed.endswith((".png", ".npy"))):
            path += _ENDINGS[name]
    if name == "cellpose" and not path.endswith("_seg.npy"):
        path = path.removesuffix(".npy") + "_seg.npy"
    return Path(path), name


def save(path: Path, format: str, cells: Measured) -> Generator[Progress, None, Saved | Failed]:
    """Write the cells; for the worker thread."""
    if format == MEASURES:
        done = yield from measure_all(path, [cells], LeftOut[str]())
        return Saved(done.paths, done.cells, holds_cells=False) if isinstance(done, Written) else done
    yield Progress(0, 0, f"Saving {path.name}")
    try:
        return _write(path, format, cells)
    except UserError as error:
        return Failed.of(error)


def _write(path: Path, format: str, cells: Measured) -> Saved:
    result, of = cells.result, FORMATS[format]
    check_targets([path], [] if cells.path is None else [cells.path])
    loss = of.loss([result])
    if format == "coco":
        size = {} if cells.pixel_size_um is None else {"pixel_size_um": cells.pixel_size_um}
        extra = with_place(size, cells.path, path, file_name_of(result))
        write_coco(path, records_of(result, file_name_of(result), extra=extra, shown=True))
    else:
        of.write(path, [result])
    return Saved((path,), result.n_visible(), f"{loss.text()} COCO keeps everything." if loss else "")
