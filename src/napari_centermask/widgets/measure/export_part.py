"""The button that measures cells and saves the tables, off the GUI thread; in the docks that measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning
from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton

from napari_centermask.core.counted import counted
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.files import check_path
from napari_centermask.io.tables import PARQUET, check_table
from napari_centermask.widgets.measure.project_images import measured_project
from napari_centermask.widgets.viewer.measured import Written, measure_all, measured_layer
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    from napari_centermask.widgets.project.session import ProjectSession
    from napari_centermask.widgets.viewer.shown import Shown
    from napari_centermask.widgets.work.tasks import Failed

_FILTERS = {"CSV (*.csv)": ".csv", f"Parquet (*{PARQUET})": PARQUET}


class ExportPart:
    """Measures one image, or all images of the project, and saves a row for each cell.

    Parameters
    ----------
    ready
        Called before cells are measured: applies what is being tried, and returns the image's cells and the category that is
        not viable; None where there is none.

    Attributes
    ----------
    changed
        Emitted when measuring starts or ends.
    this, all
        The entries of the button's menu.
    """

    changed = Signal()

    def __init__(self, projects: ProjectSession, ready: Callable[[], tuple[Shown | None, int | None]]) -> None:
        self._projects, self._ready = projects, ready
        self.button, self.runner = QPushButton("Export…"), Runner()
        menu = QMenu(self.button)
        self.this = menu.addAction("This image…")
        self.all = menu.addAction("All images of the project…")
        self.button.setMenu(menu)
        self._links = Connections()
        self._links.add(self.this.triggered, lambda: self._ask(everything=False))
        self._links.add(self.all.triggered, lambda: self._ask(everything=True))
        self._links.add(self.runner.ended, self._on_ended)

    def close(self) -> None:
        """The dock was closed: stop without a report."""
        self._links.end()
        self.runner.cancel()

    def _ask(self, *, everything: bool) -> None:
        filters = ";;".join(_FILTERS)
        path, chosen = QFileDialog.getSaveFileName(self.button, "Save measurements", "measurements.csv", filters)
        if path:
            self.start(table_path(path, chosen), everything=everything)

    def start(self, path: Path, *, everything: bool = False) -> None:
        """Measure the current image, or with `everything` all images of the project, and write the tables.

        Raises
        ------
        UserError
            If the file cannot be written, Parquet needs what is not installed, or no image of the project can be read.
        """
        shown, dead = self._ready()
        if shown is None:  # the button is disabled
            return
        check_path(path)
        check_table(path)
        project = self._projects.project
        left_out = LeftOut[str]()
        if everything and project is not None:
            images = measured_project(project, dead, left_out)
        else:
            images = [measured_layer(shown, dead)]
        self.runner.start("CenterMask: measuring", measure_all, path, images, left_out)
        self.changed.emit()

    def _on_ended(self, value: Written | Failed | None) -> None:
        if isinstance(value, Written):
            table, counts = value.paths
            show_info(f"Measured {counted(value.cells, 'cell')}. Saved {table} and, beside it, {counts.name}.")
            if value.left_out:
                show_warning(f"Left out {counted(len(value.left_out), 'image')}. {' '.join(value.left_out)}")
        elif value is not None:
            notify(value.message, value.page)
        self.changed.emit()


def table_path(path: str, filter: str) -> Path:
    """The file to write: an ending that was typed decides about its kind, but the one that the dialog offers gives way."""
    typed, wanted = Path(path), _FILTERS.get(filter, "")
    ending = typed.suffix.lower()
    if not wanted or ending in (wanted, PARQUET):
        return typed
    return typed.with_suffix(wanted) if ending in _FILTERS.values() else typed.with_name(typed.name + wanted)
