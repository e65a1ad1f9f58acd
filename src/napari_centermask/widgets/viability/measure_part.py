"""The button of the viability dock that measures cells and saves the tables, off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning
from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_centermask.core.counted import counted
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.files import check_path
from napari_centermask.widgets.viability.measuring import measured_project
from napari_centermask.widgets.viability.view import ExportButton
from napari_centermask.widgets.viewer.measured import Written, measure_all, measured_layer
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    from napari_centermask.widgets.project.session import ProjectSession
    from napari_centermask.widgets.viability.threshold import Viability
    from napari_centermask.widgets.work.tasks import Failed


class MeasurePart:
    """Measures one image, or all images of the project.

    Parameters
    ----------
    settle
        Applies a threshold that is being tried; called before cells are measured.

    Attributes
    ----------
    changed
        Emitted when measuring starts or ends.
    viability
        Viability of the current image; None for none.
    """

    changed = Signal()

    def __init__(self, projects: ProjectSession, settle: Callable[[], None]) -> None:
        self._projects, self._settle = projects, settle
        self.viability: Viability | None = None
        self.button, self.runner = ExportButton(), Runner()
        self._links = Connections()
        self._links.add(self.button.wanted, self._on_wanted)
        self._links.add(self.runner.ended, self._on_ended)

    def close(self) -> None:
        """The dock was closed: stop without a report."""
        self._links.end()
        self.runner.cancel()

    def _on_wanted(self, everything: bool) -> None:
        path, _ = QFileDialog.getSaveFileName(self.button, "Save measurements", "measurements.csv", "CSV (*.csv)")
        if path:
            self.start(Path(path), everything=everything)

    def start(self, path: Path, *, everything: bool = False) -> None:
        """Measure the current image, or with `everything` all images of the project, and write the tables.

        Raises
        ------
        UserError
            If the file cannot be written, or no image of the project can be read.
        """
        if self.viability is None:  # the button is disabled
            return
        self._settle()
        check_path(path)
        project, dead = self._projects.project, self.viability.cells.category
        left_out = LeftOut[str]()
        if everything and project is not None:
            images = measured_project(project, dead, left_out)
        else:
            images = [measured_layer(self.viability.edits.shown, dead)]
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
