"""The dock Compress: make a model smaller and faster step by step, and show what each step costs and gains."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, QSize, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_centermask.core.extras import how_to_install
from napari_centermask.jobs.command import new_run_folder
from napari_centermask.models.store.zoo import user_folder
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.compress import tasks
from napari_centermask.widgets.compress.controls import DockState, controls, is_annotated, plan_of, proposed_name
from napari_centermask.widgets.compress.tasks import Outcome, Table
from napari_centermask.widgets.compress.view import FormBox, ResultBox, StepsBox
from napari_centermask.widgets.parts.layout import WIDTH, stack
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.parts.run_box import RunBox
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.training.plan import DataFolder, data_folders
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

_FOR_ONNX = ("onnx", "onnxruntime")
_FOR_TRAINING = ("torch", "onnxscript", "torch_pruning")


class CompressDock(Dock):
    """Compress a model in a child process; `controls` computes from `state` what the buttons may do."""

    title = "Compress"
    hint = (
        "Choose images like those that you segment, tick the steps and press Compress. Every step is judged and timed beside the "
        "model as it is, which stays."
    )

    def _set_up(self) -> None:
        self.runner, self.projects, self.in_use = Runner(), project_session_of(self._viewer), self._state.in_use
        self._folders: list[Path] = []
        self._folder = self._made = self._proposed = ""
        self.form, self.steps, self.run, self.result = FormBox(), StepsBox(), RunBox(), ResultBox()
        self.run.start.setText("Compress")
        stack(self, (self.form, self.steps, self.run, self.result))
        self._connect()
        self._list_data()

    def _connect(self) -> None:
        add = self.links.add
        add(self.form.model.currentIndexChanged, self._on_settings)
        add(self.form.data.currentIndexChanged, self._refresh)
        add(self.form.folder.clicked, self._on_folder)
        add(self.form.name.textChanged, self._refresh)
        for box in self.steps.boxes.values():
            add(box.toggled, self._on_settings)
        add(self.steps.forms["quantise"].changed, self._on_settings)
        add(self.run.start.clicked, self.compress)
        add(self.run.cancel.clicked, self.runner.cancel)
        add(self.result.use.clicked, self._on_use)
        add(self.result.open_folder.clicked, self._on_open)
        add(self.runner.advanced, self._on_advanced)
        add(self.runner.ended, self._on_ended)
        add(self.in_use.changed, self._refresh)
        add(self.projects.project_changed, self._list_data)
        self.links.on_end(self.runner.cancel)

    def sizeHint(self) -> QSize:
        """Room for the table."""
        return QSize(WIDTH, 720)

    @property
    def state(self) -> DockState:
        """All that the buttons depend on."""
        source, card = self.form.data.currentData(), self.form.model.card
        return DockState(
            model=self.form.model.currentText(),
            has_weights=self.form.model.has_weights,
            is_compressed=card is not None and "compression" in card.training,
            steps=self.steps.ticked,
            method=self.steps.method,
            data=None if source is None else source.folder,
            is_annotated=source is not None and is_annotated(source.folder),
            name=self.form.name.text().strip(),
            taken=frozenset(self.form.model.cards),
            can_quantise=all(find_spec(package) is not None for package in _FOR_ONNX),
            can_train=all(find_spec(package) is not None for package in _FOR_TRAINING),
            is_running=self.runner.is_running,
            made=self._made,
            in_use=self.in_use.name,
            folder=self._folder,
        )

    def _refresh(self, *_: object) -> None:
        state = self.state
        shown = controls(state, install=how_to_install("train"), install_training=how_to_install("compress"))
        show_control(self.run.start, shown.start)
        show_control(self.run.cancel, shown.cancel)
        show_control(self.result.use, shown.use)
        show_control(self.result.open_folder, shown.open_folder)
        for step, box in self.steps.boxes.items():
            show_control(box, shown.steps[step])
        for part in (self.form, self.steps):
            part.setEnabled(not state.is_running)

    def _on_settings(self, *_: object) -> None:
        """Propose another name for the result, unless a person gave one."""
        if self.form.name.text() == self._proposed:
            taken = frozenset(self.form.model.cards)
            model = self.form.model.currentText()
            self._proposed = proposed_name(model, self.steps.ticked, self.steps.method, taken)
            with QSignalBlocker(self.form.name):
                self.form.name.setText(self._proposed)
        self._refresh()

    def compress(self) -> None:
        """Start the compression."""
        accepted = float(self.form.accepted.value()["accepted"])
        out = new_run_folder(user_folder().parent / "compressed", self.state.name)
        plan = plan_of(self.state, self.steps.values(), accepted=accepted, out=out)
        self._made, self._folder = "", str(out)
        self.result.show_steps(())
        self.result.sentence.setText("")
        self.run.show_start()
        title = f"CenterMask: compressing {self.state.model}"
        self.runner.start(title, tasks.compress, plan, on_yield=self._on_table)
        self._refresh()

    def _on_advanced(self, step: Progress) -> None:
        self.run.show_progress(step.part, step.message)

    def _on_table(self, table: Table) -> None:
        self.result.show_steps(table.rows)

    def _on_ended(self, value: object) -> None:
        self.run.show_end()
        name = self.form.name.text().strip()
        if isinstance(value, Outcome):
            self.result.show_steps(value.table.rows)
            self.result.sentence.setText(value.sentence)
            self._made = name if value.model == name else ""
            self.run.status.setText(f"Installed '{name}'." if self._made else "Nothing was installed.")
            self.form.model.reload()  # which offers the new one, and keeps its name from being proposed again
        else:
            self.run.status.setText(
                "Cancelled. No model was installed." if self.runner.cancelled else "No model was installed."
            )
        if isinstance(value, Failed):
            notify(value.message, value.page)
        self._on_settings()

    def _on_use(self) -> None:
        self.in_use.choose(self._made)
        self._refresh()

    def _on_open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self._folder))

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder with images, or a project")
        if folder:
            self.add_data(Path(folder))

    def add_data(self, folder: Path) -> None:
        """Offer a folder, and choose it."""
        if folder not in self._folders:
            self._folders.append(folder)
        self._list_data(chosen=DataFolder(folder))

    def _list_data(self, chosen: DataFolder | None = None) -> None:
        """Offer the open project and the folders; the choice stays."""
        combo, project = self.form.data, self.projects.project
        wanted = chosen if isinstance(chosen, DataFolder) else combo.currentData()
        offered = data_folders(None if project is None else project.folder, self._folders)
        with QSignalBlocker(combo):
            combo.clear()
            for source in offered:
                combo.addItem(source.title, source)
            combo.setCurrentIndex(offered.index(wanted) if wanted in offered else 0)
        self._on_settings()
