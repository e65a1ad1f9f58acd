"""The export dialog of a project: issues found by a check, what to write, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.core.columns import Columns
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import Cancelled, UserError
from napari_centermask.core.progress import Advance, silent
from napari_centermask.core.quality import KINDS, Finding, check
from napari_centermask.io.export import EXPORTED, export
from napari_centermask.widgets.parts.layout import label, row
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.parts.progress_window import progress_window
from napari_centermask.widgets.parts.theme import ThemedStyle
from napari_centermask.widgets.project.state import export_control
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari_centermask.io.project import Project

_PARTS = ("train", "val", "test")
_MASKS = (("RLE: exact", None), ("Polygons: exact outlines", 0.0), ("Polygons within one pixel", 1.0))
_MOST_LISTED = 1000  # findings of a kind: a choice, more than one goes through


def check_project(project: Project, advance: Advance = silent) -> list[tuple[int, Finding]]:
    """Check all images with cells or reviewed regions; returns (image id, finding), image by image.

    Parameters
    ----------
    advance
        Called with the number of images checked so far, and of all.

    Raises
    ------
    UserError
        If the annotations of an image cannot be read.
    """
    images = [i for i in project.images if i.status != "untouched" and not i.problem]
    findings: list[tuple[int, Finding]] = []
    for n, image in enumerate(images, start=1):
        findings += [(image.id, finding) for finding in check(Columns(project.result(image.id)))]
        advance(n, len(images))
    return findings


class ExportDialog(QDialog):
    """Check and export.

    Attributes
    ----------
    wanted
        (image id, `Finding`) to go to instead; None otherwise.
    """

    def __init__(self, project: Project, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.project = project
        self.wanted: tuple[int, Finding] | None = None
        self.setWindowTitle(f"Export {project.folder.name}")
        ThemedStyle(self)
        self._build()
        self._connect()
        try:
            with progress_window(f"Checking {project.folder.name}", parent) as advance:
                self._list(check_project(project, advance))
        except Cancelled:
            self.deleteLater()
            raise
        self._refresh()

    def _build(self) -> None:
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.tree = QTreeWidget()
        self.tree.setHeaderHidden(True)
        self.tree.setToolTip("Double-click an issue to close this window and see it.")
        self.per_image, self.copy = QComboBox(), QCheckBox("Copy the images too")
        self.per_image.addItem("One file for the project", False)
        self.per_image.addItem("One file for each image", True)
        self.masks = QComboBox()
        for title, tolerance in _MASKS:
            self.masks.addItem(title, tolerance)
        self.loss = QLabel()
        self.loss.setObjectName("quiet")
        self.loss.setWordWrap(True)
        self.loss.hide()
        self.reviewed = QCheckBox("Only images that are reviewed")
        self.split = QCheckBox("Split into train, validation and test")
        self.split.setToolTip("Frames, planes and tiles of one source always stay together.")
        self.parts = [QSpinBox() for _ in _PARTS]
        for spin, percent in zip(self.parts, (70, 15, 15), strict=True):
            spin.setRange(0, 100)
            spin.setSuffix(" %")
            spin.setValue(percent)
        self.folder = QLineEdit(str(self.project.folder / "export"))
        self.browse = QPushButton("Browse…")
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.start, self.cancel = QPushButton("Export"), QPushButton("Close")
        self.start.setObjectName("primary")
        layout = QVBoxLayout(self)
        layout.addWidget(self.summary)
        layout.addWidget(self.tree, 1)
        layout.addWidget(row(label("Files"), self.per_image, stretch=1))
        layout.addWidget(row(label("Masks"), self.masks, stretch=1))
        layout.addWidget(self.loss)
        layout.addWidget(row(self.copy, self.reviewed))
        layout.addWidget(row(self.split, *self.parts))
        layout.addWidget(row(label("Folder"), self.folder, self.browse, stretch=1))
        layout.addWidget(self.problem)
        layout.addWidget(row(self.start, self.cancel))
        self.resize(560, 560)

    def _connect(self) -> None:
        links = Connections(self)
        links.add(self.tree.itemDoubleClicked, self._on_double_click)
        links.add(self.masks.currentIndexChanged, self._on_masks)
        links.add(self.split.toggled, self._refresh)
        for spin in self.parts:
            links.add(spin.valueChanged, self._refresh)
        links.add(self.folder.textChanged, self._refresh)
        links.add(self.browse.clicked, self._on_browse)
        links.add(self.start.clicked, self.export)
        self.cancel.clicked.connect(self.reject)  # a slot of Qt's own: kept in `links`, it would keep the dialog alive

    def _list(self, findings: list[tuple[int, Finding]]) -> None:
        for kind, title in KINDS.items():
            some = [(id, f) for id, f in findings if f.kind == kind]
            if not some:
                continue
            parent = QTreeWidgetItem([f"{title} ({len(some):,})"])
            self.tree.addTopLevelItem(parent)
            for id, finding in some[:_MOST_LISTED]:
                child = QTreeWidgetItem([f"{self.project.image(id).file_name}: {finding.text}"])
                child.setData(0, Qt.ItemDataRole.UserRole, (id, finding))
                parent.addChild(child)
            parent.setExpanded(kind != "unreviewed")
        n = len(findings)
        self.summary.setText(
            f"The check found {counted(n, 'issue')}. Double-click one to see it." if n else "The check found no issues."
        )

    def splits(self) -> dict[str, float] | None:
        """Fraction of the images by split; None for no split."""
        if not self.split.isChecked():
            return None
        return {name: spin.value() / 100 for name, spin in zip(_PARTS, self.parts, strict=True) if spin.value()}

    def _refresh(self) -> None:
        for spin in self.parts:
            spin.setEnabled(self.split.isChecked())
        percents = [spin.value() for spin in self.parts] if self.split.isChecked() else None
        start = export_control(self.folder.text().strip(), percents)
        self.problem.setText("" if start.enabled else start.tooltip)
        show_control(self.start, start)

    def _on_masks(self) -> None:
        """Show what polygons would lose, before anything is written."""
        tolerance = self.masks.currentData()
        self.loss.setVisible(tolerance is not None)
        if tolerance is None:
            return
        from napari_centermask.io.coco.polygons import polygon_loss
        from napari_centermask.io.coco.records import records_of

        images = [i for i in self.project.images if i.status in self.statuses() and not i.problem]
        records = (r for i in images for r in records_of(self.project.result(i.id), i.file_name, shown=True))
        self.loss.setText(str(polygon_loss(records, tolerance=tolerance)))

    def statuses(self) -> tuple[str, ...]:
        """Statuses of the images to export."""
        return ("reviewed",) if self.reviewed.isChecked() else EXPORTED

    def _on_browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export to", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _on_double_click(self, item: QTreeWidgetItem) -> None:
        wanted = item.data(0, Qt.ItemDataRole.UserRole)
        if wanted is not None:
            self.wanted = wanted
            self.reject()

    def export(self) -> None:
        """Write the files; an error is shown and the dialog stays open."""
        folder = Path(self.folder.text().strip())
        try:
            with progress_window(f"Exporting {self.project.folder.name}", self) as advance:
                exported = export(
                    self.project,
                    folder,
                    per_image=self.per_image.currentData(),
                    copy_images=self.copy.isChecked(),
                    splits=self.splits(),
                    statuses=self.statuses(),
                    polygons=self.masks.currentData(),
                    advance=advance,
                )
        except Cancelled:
            self.problem.setText("The export was cancelled. Files that were written before are whole.")
            return
        except UserError as error:
            self.problem.setText(str(error))
            return
        n, cells = sum(exported.images.values()), sum(exported.cells.values())
        text = f"{counted(cells, 'cell')} of {counted(n, 'image')} exported to {folder}."
        show_info(" ".join([text, *exported.left_out]))
        self.accept()
