"""Images of a project are read off the GUI thread, unless they are small."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_centermask.core.errors import UserError
from napari_centermask.io.images import read_image
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari_centermask.io.image_data import ImageData
    from napari_centermask.io.project import ProjectImage

SMALL = 4_000_000
"""Bytes of the file and pixels of a channel up to which reading takes less than a tenth of a second."""
_AGAIN_MS = 50


def is_small(image: ProjectImage) -> bool:
    """Whether an image is read so fast that nobody sees a pause."""
    try:
        size = image.path.stat().st_size
    except OSError:
        return True  # reading says what is wrong with it
    return size <= SMALL and prod((*image.leading, *(image.shape or ()))) <= SMALL


def read(path: Path) -> ImageData | Failed:
    """An image's pixels; for the worker thread."""
    try:
        return read_image(path)
    except UserError as error:
        return Failed(str(error))
    except (RuntimeError, MemoryError, OSError) as error:
        return Failed(
            f"Expected to read {path.name}: {error or type(error).__name__}. Close other images, or look at the file."
        )


class Opening:
    """Reads one image at a time; of those wanted meanwhile the last one follows, the others are left out.

    Parameters
    ----------
    done
        Called in the GUI thread with the pixels or `Failed`, once for what is wanted last; not while a mouse button is down.
    """

    def __init__(self, done: Callable[[Any], None]) -> None:
        self._done = done
        self._worker: Any = None
        self._wanted: Path | None = None
        self._turn = 0  # counts what was wanted: an answer to an earlier wish is dropped

    @property
    def is_reading(self) -> bool:
        """Whether a thread reads, perhaps what nobody wants any more."""
        return self._worker is not None

    def start(self, path: Path) -> None:
        """Read this image; what was wanted before is not wanted any more."""
        self._turn += 1
        self._wanted = path
        if self._worker is None:
            self._next()

    def cancel(self) -> None:
        """Want nothing; a file that is being read is read to its end and dropped."""
        self._turn += 1
        self._wanted = None

    def _next(self) -> None:
        from napari.qt.threading import create_worker

        path, self._wanted = self._wanted, None
        if path is None:
            return
        self._worker = create_worker(read, path, _start_thread=False)
        self._worker.returned.connect(partial(self._deliver, self._turn))
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        self._worker = None
        self._next()

    def _deliver(self, turn: int, found: ImageData | Failed) -> None:
        if turn != self._turn:
            return
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:  # a stroke in progress comes to its end first
            QTimer.singleShot(_AGAIN_MS, partial(self._deliver, turn, found))
            return
        self._done(found)
