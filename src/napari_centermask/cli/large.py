"""`segment` for images that are read tile by tile: which they are, where their cells go, and how a stopped run goes on."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_centermask.cli.output import notice
from napari_centermask.cli.plan import ImageFiles
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.io.disk_images import is_in_parts, too_large
from napari_centermask.io.formats.cell_parts import check_parquet
from napari_centermask.io.images import read_header
from napari_centermask.io.large_cells import LargePlaces
from napari_centermask.io.run_file import stamp
from napari_centermask.io.scene_paths import file_of, is_zarr_name, split
from napari_centermask.io.zarr_groups import zarr_package
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.engines.ensemble import AnySegmenter
    from napari_centermask.pipeline import Progress
    from napari_centermask.pipeline.image_file import OpenedFile
    from napari_centermask.pipeline.large_image import LargeResult

_PACKED = 1_100  # pixels of one byte that no compression exceeds (deflate's bound): smaller files are not looked into


def with_large(
    plans: Sequence[ImageFiles], out: Path, *, limit: float, axes: str | None, maps: bool
) -> list[ImageFiles]:
    """The plans, with places for the cells of images that are read tile by tile, and what becomes of them said.

    Parameters
    ----------
    limit
        In megapixels.

    Raises
    ------
    BadSettings
        If class maps are requested for one of them.
    MissingExtra
        If their cells cannot be written here.
    """
    return [_planned(files, out, limit=limit, axes=axes, maps=maps) for files in plans]


def _planned(files: ImageFiles, out: Path, *, limit: float, axes: str | None, maps: bool) -> ImageFiles:
    why = _too_large(files.image, limit, axes)
    if not why:
        return files
    if maps:
        raise BadSettings(
            f"--maps has no effect on {files.image.name}, which has {why}: it is read tile by tile. Leave it out, or raise "
            "--large if the image fits into memory."
        )
    zarr_package()
    check_parquet()
    places = LargePlaces.named(out, files.stem)
    notice(
        f"{files.image.name} has {why}: it is read tile by tile, and its cells go to {places.cells.name} and "
        f"{places.table.name} while they are found."
    )
    return replace(files, labels=None, classes=None, large=places)


def _too_large(path: Path, limit: float, axes: str | None) -> str:
    """Why an image is read tile by tile; empty if it is not. One that cannot be read is left to what reads it."""
    file = file_of(path)
    now = stamp(file)
    if now is None or not is_in_parts(path) or (not is_zarr_name(file) and now[0] * _PACKED < limit * 1e6):
        return ""
    try:
        header = read_header(path, axes=axes)
    except BadImage:
        return ""
    return too_large(header.plane_shape, header.data.nbytes, limit=limit, named="--large ")


def command_of(files: ImageFiles, command: Mapping[str, Any]) -> dict[str, Any]:
    """What the cells of an image depend on; a run that was stopped goes on only if all of it is the same."""
    kinds = {"axes": command["kinds"]["axes"]}
    image = {"image": str(files.image.resolve()), "stamp": stamp(file_of(files.image))}
    return image | kinds | {name: command[name] for name in ("version", "settings", "models")}


def large_steps(
    files: ImageFiles, engine: AnySegmenter, settings: SegmentSettings, *, axes: str | None, command: Mapping[str, Any]
) -> Generator[Progress | OpenedFile | str, None, LargeResult]:
    """Segment an image tile by tile, and say where it goes on; see `pipeline.large_image.segment_large`."""
    from napari_centermask.io.disk_images import open_on_disk
    from napari_centermask.pipeline.large_image import segment_large

    if files.large is None:
        raise ValueError(f"{files.image} is not read tile by tile.")
    own = command_of(files, command)
    if (state := files.large.state(own)) is not None:
        done = state["cells"]["n_cells"]
        yield f"{files.image.name} goes on where it stopped, after {done:,} cells."
    return (
        yield from segment_large(
            open_on_disk(files.image, axes=axes),
            engine,
            settings,
            files.large,
            command=own,
            version=_version(files.image),
        )
    )


def _version(path: Path) -> str:
    """Of the OME-Zarr to write: that of the image, if it is one."""
    return "0.5" if (split(path)[0] / "zarr.json").exists() else "0.4"
