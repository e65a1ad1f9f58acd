"""Import annotations of any program into the open project: choose the file, find its images, show the report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QWidget

from napari_centermask.core.errors import Cancelled, UserError
from napari_centermask.widgets.parts.progress_window import progress_window
from napari_centermask.widgets.work.gate import notify

if TYPE_CHECKING:
    from napari_centermask.io.coco.report import ImportReport
    from napari_centermask.widgets.project.session import ProjectSession

_FILTERS = (
    "COCO, or one file of LabelMe's folder (*.json)",
    "One file of YOLO's labels (*.txt)",
    "One label image of a folder (*.tif *.tiff *.png)",
    "Tracks of the Cell Tracking Challenge (man_track.txt res_track.txt)",
    "Other formats (*.geojson *.zip *.roi *.npy)",
)


def import_annotations(session: ProjectSession, parent: QWidget | None = None) -> ImportReport | None:
    """Ask for a file of cells and merge it into the project, with those beside it that belong to other images.

    Returns None if nothing was imported.
    """
    from napari_centermask.io.project_import import import_into

    path, _ = QFileDialog.getOpenFileName(parent, "Import annotations", filter=";;".join(_FILTERS))
    if not path:
        return None
    session.flush()
    try:
        with progress_window(f"Importing {Path(path).name}", parent) as advance:
            find = partial(_ask, parent=parent)
            report = import_into(session.project, Path(path), whole_folder=True, find=find, advance=advance)
    except Cancelled as cancelled:
        show_info(str(cancelled))
        return None
    except UserError as error:
        notify(str(error), error.page)
        return None
    show_report(report, parent)
    return report


def _ask(name: str, parent: QWidget | None) -> Path | None:
    """Ask for the folder of a missing image; None if cancelled."""
    QApplication.restoreOverrideCursor()
    folder = QFileDialog.getExistingDirectory(
        parent, f"Where is {name}? Other missing images are searched for there too."
    )
    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    return Path(folder) if folder else None


def show_report(report: ImportReport, parent: QWidget | None = None) -> None:
    """Show what was imported; what was repaired and left out is in the details."""
    first, *rest = str(report).splitlines()
    box = QMessageBox(parent)
    box.setWindowTitle("Import")
    box.setIcon(QMessageBox.Icon.Information if not report.n_refused else QMessageBox.Icon.Warning)
    box.setText(first)
    box.setInformativeText("\n".join(rest[:4]) + ("\n…" if len(rest) > 4 else ""))
    if len(rest) > 4:
        box.setDetailedText("\n".join(rest))
    box.exec()
