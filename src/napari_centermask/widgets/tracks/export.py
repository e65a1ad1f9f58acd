"""Tracks and 3-D cells of an image as files, written off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from napari.utils.notifications import show_info, show_warning
from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.core.result import Result
from napari_centermask.core.tracks import Way
from napari_centermask.io.files import check_path
from napari_centermask.io.formats.ctc import series_files, write_series
from napari_centermask.io.formats.loss import only_shown
from napari_centermask.io.own_files import check_targets
from napari_centermask.io.track_tables import write_solids, write_tracks
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed


@dataclass(frozen=True)
class Exported:
    """Where something was written, what, and what was lost."""

    path: Path
    what: str
    notes: tuple[str, ...] = ()


Writes = Callable[[Path], Exported]


def tracks_table(result: Result, way: Way, pixel_um: float | None) -> Writes:
    """Write the table of tracks."""
    return lambda path: Exported(path, counted(write_tracks(path, result, way, pixel_um=pixel_um), "row"))


def solids_table(result: Result, way: Way, pixel_um: float | None, slice_um: float | None) -> Writes:
    """Write the table of 3-D cells."""

    def write(path: Path) -> Exported:
        return Exported(
            path, counted(write_solids(path, result, way, pixel_um=pixel_um, slice_um=slice_um), "3-D cell")
        )

    return write


def challenge(result: Result, way: Way) -> Writes:
    """Write a result of the Cell Tracking Challenge into a folder."""

    def write(path: Path) -> Exported:
        check_targets(series_files(path, result, way))
        written = write_series(path, result, way)
        return Exported(path, counted(written.tracks, "track"), written.notes)

    return write


def _export(path: Path, write: Writes) -> Generator[Progress, None, Exported | Failed]:
    yield Progress(0, 0, f"Writing {path.name}")
    try:
        return write(path)
    except UserError as error:
        return Failed.of(error)


class Export:
    """Asks for a place, and writes there one file at a time.

    Attributes
    ----------
    changed
        Emitted when writing starts or ends.
    """

    changed = Signal()

    def __init__(self, parent: QWidget) -> None:
        self._parent, self.runner = parent, Runner()
        self._links = Connections()
        self._links.add(self.runner.ended, self._on_ended)

    def end(self) -> None:
        """The dock was closed."""
        self._links.end()
        self.runner.cancel()

    def ask_table(self, result: Result, suggestion: str, write: Callable[[Result], Writes]) -> None:
        """Ask for a CSV file, and write the cells as they were before the dialog opened."""
        kept = only_shown(result)
        path, _ = QFileDialog.getSaveFileName(self._parent, "Save table", suggestion, "CSV (*.csv)")
        if path:
            self.start(Path(path).with_suffix(".csv"), write(kept))

    def ask_folder(self, result: Result, write: Callable[[Result], Writes]) -> None:
        """Ask for a folder, and write the cells as they were before the dialog opened."""
        kept = only_shown(result)
        path = QFileDialog.getExistingDirectory(self._parent, "Folder for the Cell Tracking Challenge, such as 01_RES")
        if path:
            self.start(Path(path), write(kept))

    def start(self, path: Path, write: Writes) -> None:
        """Write.

        Raises
        ------
        UserError
            If the place cannot be written to.
        """
        if not path.is_dir():
            check_path(path)
        self.runner.start(f"CenterMask: saving {path.name}", _export, path, write)
        self.changed.emit()

    def _on_ended(self, value: object) -> None:
        self.changed.emit()
        if isinstance(value, Failed):
            notify(value.message, value.page)
        elif isinstance(value, Exported):
            show_info(f"Saved {value.what} in {value.path}.")
            for note in value.notes:
                show_warning(f"{value.path.name}: {note}")
