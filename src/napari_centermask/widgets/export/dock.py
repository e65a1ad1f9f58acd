"""The dock Export: write a model for other runtimes and programs, and show how closely it agrees with torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from qtpy.QtCore import QSize, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_centermask.core.extras import how_to_install
from napari_centermask.io.images import SUFFIXES
from napari_centermask.models.families import family_of
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.export import tasks
from napari_centermask.widgets.export.controls import FORMS, OPSETS, DockState, arguments, controls, report_text
from napari_centermask.widgets.parts.layout import WIDTH, FittedLabel, label, row, stack, titled_form
from napari_centermask.widgets.parts.pickers import ModelCombo, can_shrink, show_control
from napari_centermask.widgets.parts.run_box import ElidedButton, RunBox
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")


class FormBox(QWidget):
    """What is written: the model, the form, the opset, the images to compare in, and the folder."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelCombo(trainable=True)
        self.form, self.opset = QComboBox(), QComboBox()
        self.form.addItems(list(FORMS))
        self.opset.addItems(list(OPSETS))
        self.opset.setToolTip("Version of ONNX's operators. 20 is read by all runtimes since 2024.")
        for combo in (self.form, self.opset):
            can_shrink(combo)
        self.about = FittedLabel()
        self.images, self.forget = ElidedButton("Samples"), QPushButton("Reset")
        self.images.setToolTip("Images in which torch and the export must find the same cells.")
        self.forget.setToolTip("Compare in the included samples.")
        self.folder = ElidedButton("Choose…")
        self.overwrite = QCheckBox("Replace earlier files")
        rows = titled_form(self, "Export", help="export")
        rows.addRow(label("Model"), self.model)
        rows.addRow(label("Form"), self.form)
        rows.addRow(self.about)
        rows.addRow(label("Opset"), self.opset)
        rows.addRow(label("Images"), row(self.images, self.forget))
        rows.addRow(label("Folder"), self.folder)
        rows.addRow(self.overwrite)


class ReportBox(QWidget):
    """The parity report, and the way to the files."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.open_folder = QPushButton("Open folder")
        title = QLabel("Compared with torch")
        title.setObjectName("heading")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (title, self.text, self.open_folder):
            layout.addWidget(part)


class ExportDock(Dock):
    """Export a model in a child process; `controls` computes from `state` what the buttons may do."""

    title = "Export"
    hint = (
        "Write a model as ONNX for other programs, or for the BioImage Model Zoo. Files are written only if they find the same "
        "cells as torch does."
    )

    def _set_up(self) -> None:
        self.runner = Runner()
        self._folder, self._images, self._written = "", list[str](), ""
        self.form, self.run, self.report = FormBox(), RunBox(), ReportBox()
        self.run.start.setText("Export")
        stack(self, (self.form, self.run, self.report))
        add = self.links.add
        add(self.form.model.currentIndexChanged, self._refresh)
        add(self.form.form.currentIndexChanged, self._refresh)
        add(self.form.images.clicked, self._on_images)
        add(self.form.forget.clicked, self._on_forget)
        add(self.form.folder.clicked, self._on_folder)
        add(self.run.start.clicked, self.export)
        add(self.run.cancel.clicked, self.runner.cancel)
        add(self.report.open_folder.clicked, self._on_open)
        add(self.runner.advanced, self._on_advanced)
        add(self.runner.ended, self._on_ended)
        self.links.on_end(self.runner.cancel)
        self._refresh()

    def sizeHint(self) -> QSize:
        """Room for the report."""
        return QSize(WIDTH, 620)

    @property
    def state(self) -> DockState:
        """All that the buttons depend on."""
        card = self.form.model.card
        return DockState(
            model=self.form.model.currentText(),
            n_graphs=0 if card is None else len(family_of(card).graphs),
            form=self.form.form.currentText(),
            folder=self._folder,
            is_running=self.runner.is_running,
            is_written=bool(self._written),
            can_export=all(find_spec(name) is not None for name in _PACKAGES),
        )

    def _refresh(self, *_: object) -> None:
        state = self.state
        shown = controls(state, remedy=how_to_install("train"))
        show_control(self.run.start, shown.start)
        show_control(self.run.cancel, shown.cancel)
        show_control(self.report.open_folder, shown.open_folder)
        self.form.about.setText(FORMS[state.form][0])
        self.form.folder.setText(self._folder or "Choose…")
        self.form.images.setText(", ".join(Path(path).name for path in self._images) or "Samples")
        self.form.forget.setEnabled(bool(self._images))
        self.form.setEnabled(not state.is_running)
        self.report.setVisible(bool(self._written))

    def choose_folder(self, folder: str) -> None:
        """Write to this folder."""
        self._folder = folder
        self._refresh()

    def choose_images(self, images: list[str]) -> None:
        """Compare in these images; in the samples without any."""
        self._images = images
        self._refresh()

    def export(self) -> None:
        """Start the export."""
        opset, overwrite = self.form.opset.currentText(), self.form.overwrite.isChecked()
        command = arguments(self.state, opset=opset, images=self._images, overwrite=overwrite)
        self._written = ""
        self.run.show_start()
        self.runner.start(f"CenterMask: exporting {self.form.model.currentText()}", tasks.export, command)
        self._refresh()

    def _on_advanced(self, step: Progress) -> None:
        self.run.show_progress(step.part, step.message)

    def _on_ended(self, value: object) -> None:
        self.run.show_end()
        if isinstance(value, dict):
            self._written = self._folder
            self.report.text.setText(report_text(value))
            self.run.status.setText(f"Exported with opset {value['opset']}. The report lies beside the files.")
        else:
            self.run.status.setText(
                "Cancelled. Nothing was written." if self.runner.cancelled else "Nothing was written."
            )
        if isinstance(value, Failed):
            notify(value.message, value.page)
        self._refresh()

    def _on_images(self) -> None:
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        files, _ = QFileDialog.getOpenFileNames(self, "Choose images of one plane", filter=f"Images ({kinds})")
        if files:
            self.choose_images(files)

    def _on_forget(self) -> None:
        self.choose_images([])

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder for the exported files")
        if folder:
            self.choose_folder(folder)

    def _on_open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self._written))
