"""Load images of a project and their cells off the GUI thread, unless they are small, and make layers of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_centermask.core.errors import BadImage, UserError
from napari_centermask.io.images import read_image
from napari_centermask.io.scene_paths import file_of
from napari_centermask.widgets.viewer.autosave import IN_PROJECT
from napari_centermask.widgets.viewer.planes import AXES_NOTE, ImagePlanes
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.result import Result
    from napari_centermask.io.image_data import ImageData
    from napari_centermask.io.project import ProjectImage

SMALL = 4_000_000
"""Bytes of the file and pixels of a channel up to which reading takes less than a tenth of a second."""
FEW = 200
"""Cells up to which reading takes less than a tenth of a second."""
_AGAIN_MS = 50  # until it is tried again: a choice, at once for a person


@dataclass(frozen=True)
class Loaded:
    """A loaded image with its cells."""

    pixels: ImageData
    cells: Result


def is_small(image: ProjectImage, cells: int) -> bool:
    """Whether an image and this many cells are read so fast that nobody notices."""
    if cells > FEW:
        return False
    try:
        size = file_of(image.path).stat().st_size
    except OSError:
        return True  # reading reports what is wrong with it
    return size <= SMALL and prod((*image.leading, *(image.shape or ()))) <= SMALL


def read(path: Path, leading: tuple[int, ...], cells: Callable[[], Result]) -> Loaded | Failed:
    """An image's pixels, with these planes, and its cells by the project's reader; for the worker thread."""

    try:
        return Loaded(read_image(path, leading=leading), cells())
    except UserError as error:
        return Failed.of(error)
    except (RuntimeError, MemoryError, OSError) as error:
        return Failed(
            f"{path.name} could not be read: {error or type(error).__name__}. Check the file, or close other images."
        )


class ImageLoader:
    """Loads one image at a time; of those requested meanwhile, only the last one is loaded next.

    Attributes
    ----------
    changed
        Emitted with the id of the requested image, 0 for none.
    loaded
        Emitted in the GUI thread with the id and `Loaded`, or `Failed`, of the last request; not while a mouse button is
        pressed.
    id
        Id of the requested image, 0 for none.
    """

    changed = Signal(int)
    loaded = Signal(int, object)

    def __init__(self) -> None:
        self.id = 0
        self._worker: Any = None
        self._wanted: tuple[Path, tuple[int, ...], Callable[[], Result]] | None = None
        self._turn = 0  # counts the requests: an answer to an earlier one is dropped

    @property
    def is_reading(self) -> bool:
        """Whether a thread is reading, perhaps for a cancelled request."""
        return self._worker is not None

    def start(self, id: int, path: Path, leading: tuple[int, ...], cells: Callable[[], Result]) -> None:
        """Load an image; an earlier request is cancelled."""
        self._turn += 1
        self._wanted = path, leading, cells
        self._set(id)
        if self._worker is None:
            self._next()

    def cancel(self) -> None:
        """Cancel; a file that is being read is read to its end and discarded."""
        self._turn += 1
        self._wanted = None
        self._set(0)

    def _set(self, id: int) -> None:
        if id != self.id:
            self.id = id
            self.changed.emit(id)

    def _next(self) -> None:
        from napari.qt.threading import create_worker

        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        self._worker = create_worker(read, *wanted, _start_thread=False)
        self._worker.returned.connect(partial(self._deliver, self._turn))
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        self._worker = None
        self._next()

    def _deliver(self, turn: int, loaded: Loaded | Failed) -> None:
        if turn != self._turn:
            return
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:  # a stroke in progress ends first
            QTimer.singleShot(_AGAIN_MS, partial(self._deliver, turn, loaded))
            return
        id = self.id
        self._set(0)
        self.loaded.emit(id, loaded)


def image_layer(pixels: ImageData, *, name: str) -> tuple[Image, ImagePlanes]:
    """An image as one layer, and its planes; channels become a slider."""
    from napari.layers import Image

    data, axes, rgb = pixels.data, pixels.axes, pixels.axes.endswith("S")
    if "S" in axes and not rgb:
        data, axes, rgb = np.moveaxis(data, axes.index("S"), -1), axes.replace("S", "") + "S", True
    labels = tuple(axes.rstrip("S").lower())
    about = {IN_PROJECT: True, "channel_names": list(pixels.channel_names), AXES_NOTE: pixels.reading}
    layer = Image(data, name=name, rgb=rgb, axis_labels=labels, metadata=about)
    return layer, ImagePlanes.of(layer, channel_axis=axes.index("C") if "C" in axes else None)


def check_form(path: Path, planes: ImagePlanes, result: Result) -> None:
    """Check that cells fit the image that was read.

    Raises
    ------
    BadImage
        If the file now holds another image.
    """
    cells, image = (*result.leading, *result.shape), (*planes.leading, *planes.shape)
    if cells != image:
        raise BadImage(
            f"{path.name} was replaced by an image of another size: its cells were drawn on {_size(cells)}, but the file "
            f"now has {_size(image)}. Restore the old file, or add the new one under another name."
        )


def _size(shape: tuple[int, ...]) -> str:
    """The number of planes, width and height, as text."""
    *leading, height, width = shape
    planes = f"{' x '.join(map(str, leading))} planes of " if leading else ""
    return f"{planes}{width} x {height} pixels"
