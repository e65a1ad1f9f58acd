"""Images that are larger than memory in the Segment dock: segmented tile by tile, with the cells in a folder that you choose."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage
from napari_centermask.io.disk_images import on_disk, too_large
from napari_centermask.io.formats.cell_parts import check_parquet
from napari_centermask.io.large_cells import LargePlaces
from napari_centermask.io.run_file import stamp
from napari_centermask.io.scene_paths import file_of, flat_name, safe_names
from napari_centermask.io.zarr_groups import zarr_package
from napari_centermask.models.store.zoo import model_paths
from napari_centermask.widgets.segment.controls import ALL, PLANE
from napari_centermask.widgets.viewer.large_reader import LARGE
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.shown import image_path
from napari_centermask.widgets.viewer.writer import step_um
from napari_centermask.widgets.work.tasks import segment_to_disk

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_centermask.core.result import Index
    from napari_centermask.io.disk_images import DiskImage
    from napari_centermask.pipeline.large_image import LargeResult
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.viewer.session import Session

_PLUGIN = "napari-centermask"
_PLANES = "TZ"  # the axes of planes that the table of cells has columns for


def why_large(planes: ImagePlanes | None, scope: str) -> str:
    """Why a run goes tile by tile; empty if it does not, as one on a part of the image."""
    if planes is None or scope not in (ALL, PLANE):
        return ""
    n_bytes = int(planes.array.nbytes)
    if scope == PLANE:
        for size in planes.leading:
            n_bytes //= max(1, size)
    return too_large(planes.shape, n_bytes)


def disk_image(source: Image, planes: ImagePlanes, scope: str, index: Index) -> DiskImage:
    """An image layer as one that is read where it is sliced: all its planes, or the current one.

    Raises
    ------
    BadImage
        If it has more axes of planes than time and z.
    """
    name = safe_names([flat_name(source.name)])[0]
    array, leading, channel = planes.array, planes.leading, planes.channel_axis
    if scope == PLANE and leading:
        array, leading, channel = planes.at(index), (), None if channel is None else 0
        name = "_".join([name, *map(str, index)])
    if planes.rgb:
        array = array[..., :3]
    if len(leading) > len(_PLANES):
        raise BadImage(f"'{source.name}' has {len(leading)} axes of planes; two can be written. Choose 'This plane'.")
    letters = iter(_PLANES[len(_PLANES) - len(leading) :])
    before = ["C" if axis == channel else next(letters) for axis in range(array.ndim - planes.rgb - 2)]
    axes = "".join([*before, "YX", *("S" if planes.rgb else "")])
    return replace(on_disk(array, axes=axes, name=name), pixel_sizes_um=_pixel_sizes(source))


def _pixel_sizes(source: Image) -> tuple[float, float] | None:
    about = {"units": getattr(source, "units", ()), "scale": source.scale}
    height, width = step_um(about, -2), step_um(about, -1)
    return None if height is None or width is None else (height, width)


class LargeRun:
    """Runs a model on such an image, and opens what it wrote.

    Parameters
    ----------
    parent
        Of the dialogs.
    """

    def __init__(self, parent: QWidget, session: Session) -> None:
        self._parent, self._session = parent, session
        self._folder = ""

    def start(self, source: Image, planes: ImagePlanes, scope: str, index: Index, settings: SegmentSettings) -> None:
        """Ask for a folder, and run; a run that was stopped there goes on. Does nothing if no folder is chosen.

        Raises
        ------
        BadImage
            As `disk_image`.
        MissingExtra
            If the cells cannot be written here.
        """
        zarr_package()
        check_parquet()
        image = disk_image(source, planes, scope, index)
        command = _command(source, image, settings)
        places = self._places(source, image.name, command)
        if places is None:
            return
        for layer in [layer for layer in self._session.viewer.layers if _shows(layer, places)]:
            self._session.viewer.layers.remove(layer)  # its files are about to change
        self._session.run.ask(
            source.name,
            partial(segment_to_disk, image=image, places=places, command=command),
            [],
            settings,
            partial(self._show, source.name, _place(source, planes, image)),
            stopped=f"Stopped. Run again with the same folder, {places.cells.parent}, to go on.",
        )

    def _places(self, source: Image, name: str, command: dict[str, Any]) -> LargePlaces | None:
        own = image_path(source)
        start = self._folder or (str(file_of(Path(own)).parent) if own else "")
        title = f"Choose a folder for the cells of '{source.name}'"
        folder = QFileDialog.getExistingDirectory(self._parent, title, start)
        if not folder:
            return None
        self._folder = folder
        places = LargePlaces.named(Path(folder), name)
        is_taken = places.cells.exists() or places.table.exists()
        if is_taken and places.state(command) is None:
            places.check_free()
            if not self._may_replace(places):
                return None
        return places

    def _may_replace(self, places: LargePlaces) -> bool:
        question = (
            f"{places.cells} has the cells of another run. Replace them? To keep them, press "
            "Cancel, and run again with another folder."
        )
        yes = QMessageBox.StandardButton.Discard
        answer = QMessageBox.question(self._parent, "CenterMask", question, yes | QMessageBox.StandardButton.Cancel)
        return bool(answer == yes)

    def _show(self, name: str, place: dict[str, list[float]], done: LargeResult) -> str:
        """Open the cells over their image; returns the report."""
        for layer in self._session.viewer.open(str(done.places.cells), plugin=_PLUGIN):
            for attribute, values in place.items():
                setattr(layer, attribute, values)
        left = f" Left out: {' '.join(done.left_out)}" if done.left_out else ""
        return (
            f"{name}: {counted(done.n_cells, 'cell')} in {done.seconds:.0f} s (diameter {done.diameter:.0f} px), in "
            f"{done.places.cells}.{left}"
        )


def _place(source: Image, planes: ImagePlanes, image: DiskImage) -> dict[str, list[float]]:
    """Scale and place of the layers of the cells."""
    axes = (*(planes.axes if image.leading else ()), -2, -1)
    return {name: [float(getattr(source, name)[axis]) for axis in axes] for name in ("scale", "translate")}


def _command(source: Image, image: DiskImage, settings: SegmentSettings) -> dict[str, Any]:
    """What the cells depend on: a run that was stopped goes on only if all of it is the same."""
    path = image_path(source)
    file = stamp(file_of(Path(path))) if path else None
    return {
        "image": [path or source.name, file, list(image.data.shape), image.axes, str(image.data.dtype)],
        "settings": settings.model_dump(mode="json"),
        "models": [[str(part), stamp(part)] for part in model_paths([settings.model])],
    }


def _shows(layer: Layer, places: LargePlaces) -> bool:
    folder = layer.metadata.get(LARGE)  # a layer that a correction added has no file
    return folder is not None and Path(folder) == places.cells
