"""Open cells of any format in napari, with all overlaps, and with their images if these are found.

The image that comes with cells gets them as its result, so that they can be corrected like predicted ones.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_centermask.core.errors import MissingExtra, UserError
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS, READABLE, Format
from napari_centermask.io.formats.ctc import is_result
from napari_centermask.io.formats.files import guess
from napari_centermask.io.formats.reading import Reading, find_image
from napari_centermask.io.images import read_image
from napari_centermask.io.own_files import PROJECT, is_project
from napari_centermask.io.zarr_groups import image_names, open_group
from napari_centermask.widgets.viewer.large_reader import lazy_layers
from napari_centermask.widgets.viewer.layers import KEY, ResultLayers
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.samples import LayerData
from napari_centermask.widgets.viewer.state import session_of, state_of, unwrapped
from napari_centermask.widgets.viewer.waiting import WaitingCells, join

if TYPE_CHECKING:
    from napari.viewer import Viewer

NO_LAYERS: list[Any] = [(None,)]
"""What a reader returns that has shown everything itself: npe2's sentinel."""
_PLUGIN = "napari-centermask"
_EXPLAINED = ("coco", "geojson", "imagej")
_MOST_FIELDS = 100  # of a plate that are looked into for labels: a choice
_SNIFF = 1 << 16  # bytes at the beginning and at the end that tell a format: a choice
_MOST_IMAGES = 20  # of one file that open as layers: a choice; more layers are slow in napari


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """A reader if the file looks like cells of a known format, else None; reads little of the file.

    A JSON, GeoJSON or ZIP file that holds something else gets one whose error says so, unless another plugin may read it, as
    napari's own error names no reason. Label images only open as cells if their name says so (`_labels`, `_masks`), as others
    may be images.
    """
    if not isinstance(path, str) or (Path(path).name == PROJECT and is_project(Path(path).parent)):
        return None  # the project's own reader opens that
    format = READABLE["ctc"] if is_result(Path(path)) else guess(Path(path))
    if format is None:
        return None
    try:
        known = _LOOKS_RIGHT[format.name](Path(path))
    except (OSError, EOFError, zlib.error):
        return None
    explains = not known and format.name in _EXPLAINED and Path(path).is_file() and is_for_us_alone(path)
    return partial(read, format=format) if known or explains else None


def is_for_us_alone(path: str) -> bool:
    """Whether no other plugin reads files of this name."""
    from npe2 import PluginManager

    return {r.plugin_name for r in PluginManager.instance().iter_compatible_readers([path])} <= {_PLUGIN}


def _is_coco(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(_SNIFF)
        stream.seek(max(stream.tell(), path.stat().st_size - _SNIFF))
        text = head + stream.read(_SNIFF)
    if not head.lstrip().startswith(b"{") or not any(key in text for key in (b'"images"', b'"annotations"')):
        return False
    return any(key in text for key in (b'"segmentation"', b'"file_name"', b'"categories"'))


def _is_geojson(path: Path) -> bool:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        return b'"Feature' in stream.read(_SNIFF)


def _is_imagej(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            return stream.read(4) == b"Iout"
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".roi") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _is_labels(path: Path) -> bool:
    from napari_centermask.io.formats.labels import is_label_name

    return is_label_name(path) and path.is_file()


def _is_ome_zarr(path: Path) -> bool:
    if not path.is_dir() or (path / "labels").is_dir() or path.name == "labels":
        return path.is_dir()
    try:
        return any((path / name / "labels").is_dir() for name in image_names(open_group(path))[:_MOST_FIELDS])
    except (LookupError, MissingExtra, OSError, RuntimeError, TypeError, ValueError):
        return False


_LOOKS_RIGHT: dict[str, Callable[[Path], bool]] = {
    "coco": _is_coco,
    "labels": _is_labels,
    "imagej": _is_imagej,
    "cellpose": Path.is_file,
    "geojson": _is_geojson,
    "ome-zarr": _is_ome_zarr,
    "labelme": Path.is_file,
    "yolo": Path.is_file,
    "ctc": is_result,
}


def read(path: str, *, format: Format = FORMATS["coco"]) -> list[LayerData]:
    """Layers from a file of cells: images of one shape as a stack, others separately, at most 20.

    Those of a large image stay on the disk.
    Cells of an image that is open already, without cells, are shown on it.

    Raises
    ------
    BadAnnotations, BadImage, MissingExtra
        napari shows the message.
    """
    from napari.utils.notifications import show_info

    if format.name.startswith("ome-zarr") and (layers := lazy_layers(Path(path))):
        return layers
    reading = format.read(Path(path))
    _warn(Path(path), reading)
    results = [r for r in reading.results if not attach_to_open(r)]
    if not results:
        return NO_LAYERS
    if len(results) > _MOST_IMAGES:
        show_info(f"{Path(path).name} has {len(results)} images; only the first {_MOST_IMAGES} were opened.")
        later, results = results[_MOST_IMAGES:], results[:_MOST_IMAGES]
        expect(later, Path(path))
    pixels = [_image(r, Path(path), reading.places.get(r.name)) for r in results]
    expect([r for r, image in zip(results, pixels, strict=True) if image is None], Path(path))
    forms = {_form(r, p) for r, p in zip(results, pixels, strict=True)}
    if len(results) > 1 and len(forms) == 1 and not results[0].leading and pixels[0] is not None:
        return _layers(_stacked(results), np.stack(pixels), name=Path(path).stem)
    layers = []
    for result, image in zip(results, pixels, strict=True):
        layers += _layers(result, image, name=Path(result.name).stem)
    return layers


def _warn(path: Path, reading: Reading) -> None:
    """Show what was left out, repaired or assumed."""
    from napari.utils.notifications import show_warning

    if reading.notes:
        show_warning(f"{path.name}: " + " ".join(reading.notes))


def _form(result: Result, image: np.ndarray | None) -> tuple[object, ...]:
    return result.shape, result.leading, None if image is None else (image.shape, image.dtype)


def _stacked(results: list[Result]) -> Result:
    """Images of one size, as the planes of one result."""
    stack = Result(results[0].shape, leading=(len(results),), name=results[0].name, threshold=results[0].threshold)
    for n, result in enumerate(results):
        stack.categories |= result.categories
        stack.put((n,), result.plane(()))
        stack.set_reviewed((n,), result.reviewed(()))
    return stack


def _image(result: Result, path: Path, place: Path | None = None) -> np.ndarray | None:
    """The image where the file says, beside the file or in its folder images/: (*leading, H, W) or (..., 3).

    None if it cannot be read.
    """
    found = place or find_image(path, None, result.name)
    if found is None:
        return None
    try:
        image = read_image(found, leading=result.leading)
    except UserError:
        return None
    planes = [plane for _, plane in image.planes()] if image.leading == result.leading else []
    if not planes or planes[0].shape[1:] != result.shape or len(planes[0]) not in (1, 3):
        return None
    stack = np.stack(planes).reshape(*result.leading, *planes[0].shape)
    return stack[..., 0, :, :] if len(planes[0]) == 1 else np.moveaxis(stack, -3, -1)


def _layers(result: Result, image: np.ndarray | None, *, name: str) -> list[LayerData]:
    blank = np.broadcast_to(np.uint8(0), (*result.leading, *result.shape))
    shown = ResultLayers(result, ImagePlanes(blank), name=name)
    for index in result.planes:
        shown.compose(index)
    shown.describe()
    made: list[Any] = [shown.cells.as_layer_data_tuple(), shown.outlines.as_layer_data_tuple()]
    if image is not None:
        rgb = image.ndim - len(result.leading) == 3
        made.insert(0, (image, {"name": name, "rgb": rgb, "metadata": {KEY: result}}, "image"))
        attach_soon(result)
    return made


def attach_soon(result: Result) -> None:
    """Attach a result that a reader is about to return, once napari has added its layers; without a viewer do nothing."""
    from napari import current_viewer

    if QApplication.instance() is not None and current_viewer() is not None:
        QTimer.singleShot(0, partial(_attach_if_there, result))


def _attach_if_there(result: Result) -> None:
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        attach(viewer, result)


def attach(viewer: Viewer, result: Result) -> bool:
    """Give a result to the image that was opened with it, in place of the layers from the file.

    Returns
    -------
    bool
        Whether the image is in the viewer.
    """
    from napari.layers import Image

    viewer = unwrapped(viewer)
    mine = [layer for layer in viewer.layers if layer.metadata.get(KEY) is result]
    image = next((layer for layer in mine if isinstance(layer, Image)), None)
    session = session_of(viewer)
    if image is None or session.result(image) is not None:
        return False
    for layer in mine:
        if layer is not image:
            session.canvas.take_out(layer)
    session.attach(image, ImagePlanes.of(image), result)
    return True


def attach_to_open(result: Result) -> bool:
    """Show cells on their image if it is open in napari and has no cells; False if there is none."""
    viewer = _viewer()
    return viewer is not None and any(join(viewer, layer, result) for layer in list(viewer.layers))


def expect(results: Sequence[Result], path: Path) -> None:
    """Show cells on their images as soon as these are opened, and say so."""
    viewer = _viewer()
    if viewer is not None and results:
        state_of(viewer).part(WaitingCells, lambda: WaitingCells(viewer)).expect(results, path.name)


def _viewer() -> Viewer | None:
    from napari import current_viewer

    viewer = current_viewer() if QApplication.instance() is not None else None
    return None if viewer is None else unwrapped(viewer)
