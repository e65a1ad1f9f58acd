"""The dock Models: every model with its card and lineage; rename, compare, export, archive, delete, undo."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget

from napari_centermask.models.store.registry import Deleted
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.models import changes, tasks
from napari_centermask.widgets.models.changes import Change, History
from napari_centermask.widgets.models.controls import DockState, controls
from napari_centermask.widgets.models.tasks import Entry, Inventory
from napari_centermask.widgets.models.view import CardBox, CompareBox, ListBox
from napari_centermask.widgets.parts.layout import WIDTH, stack
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.training.comparison import Compared
from napari_centermask.widgets.training.plan import DataFolder, data_folders
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    pass

_FILES = "Models (*.safetensors *.onnx *.pth *.pkl)"


class ModelsDock(Dock):
    """Manage the models on this computer; the dock shows the registry on disk.

    `controls` computes from `state` what its buttons may do.
    """

    title = "Models"
    hint = (
        "Choose a model to see its card: what it is for, what it was trained on, and how good it is. Models "
        "that you train are listed here, too."
    )

    def _set_up(self) -> None:
        self.projects, self.in_use = project_session_of(self._viewer), self._state.in_use
        self.looker, self.worker = Runner(), Runner()
        self.inventory = Inventory((), (), (), ())
        self.history = History()
        self._done = ""
        self._folders: list[Path] = []
        self._looks_again = self._is_comparing = False
        self._build()
        self._connect()
        self._list_data()
        self.look()

    def _build(self) -> None:
        self.list, self.card, self.comparing = ListBox(), CardBox(), CompareBox()
        stack(self, (self.list, self.comparing, self.card))

    def sizeHint(self) -> QSize:
        """Room for a card."""
        return QSize(WIDTH, 760)

    def _connect(self) -> None:
        box = self.list
        self.links.add(box.tree.currentItemChanged, self._on_chosen)
        self.links.add(box.use.clicked, self.use)
        self.links.add(self.in_use.changed, self._on_use_changed)
        self.links.add(box.rename.clicked, self._on_rename)
        self.links.add(box.archive.clicked, self.archive)
        self.links.add(box.delete.clicked, self.delete)
        self.links.add(box.undo.clicked, self.undo)
        self.links.add(box.export.clicked, self._on_export)
        self.links.add(box.add.clicked, self._on_add)
        self.links.add(self.comparing.folder.clicked, self._on_folder)
        self.links.add(self.comparing.start.clicked, self.compare)
        self.links.add(self.comparing.data.currentIndexChanged, self._refresh)
        self.links.add(self.comparing.other.currentIndexChanged, self._refresh)
        self.links.add(self.looker.ended, self._on_looked)
        self.links.add(self.worker.ended, self._on_worked)
        self.links.add(self.projects.project_changed, self._list_data)
        self.links.on_end(self.looker.cancel)
        self.links.on_end(self.worker.cancel)

    @property
    def state(self) -> DockState:
        """All that the buttons depend on."""
        return DockState(
            chosen=self.list.chosen,
            place=self.list.place,
            is_shipped=self.entry is not None and self.entry.model.shipped,
            is_busy=self.worker.is_running,
            is_comparing=self._is_comparing,
            last_change=self.history.last,
            other=self.comparing.other.currentText(),
            has_data=self.comparing.data.currentData() is not None,
            in_use=self._used,
        )

    def _refresh(self, *_: object) -> None:
        """Update the buttons from the state."""
        box, shown = self.list, controls(self.state)
        show_control(box.use, shown.use)
        show_control(box.rename, shown.rename)
        show_control(box.archive, shown.archive)
        show_control(box.delete, shown.delete)
        show_control(box.undo, shown.undo)
        show_control(box.export, shown.export)
        show_control(box.add, shown.add)
        show_control(self.comparing.start, shown.compare)

    @property
    def _used(self) -> str:
        """Name of the model in use: until one is chosen, the one that Segment begins with."""
        return self.in_use.name or str(SegmentSettings.model_fields["model"].default)

    @property
    def entry(self) -> Entry | None:
        """The chosen model; None for one that was archived or deleted."""
        if self.list.place != "offered":
            return None
        return next((e for e in self.inventory.entries if e.model.name == self.list.chosen), None)

    def look(self) -> None:
        """List the models again, off the GUI thread."""
        if self.looker.is_running:
            self._looks_again = True
        else:
            self.looker.start("", tasks.look)

    def use(self) -> None:
        """Make the chosen model the one in use."""
        self.in_use.choose(self.list.chosen)

    def _on_use_changed(self, *_: object) -> None:
        self.list.show_in_use(self._used)
        self._refresh()

    def rename(self, new: str) -> None:
        """Give the chosen model another name."""
        self._change(changes.rename(self.list.chosen, new))

    def archive(self) -> None:
        """Archive the chosen model; or restore it if it is archived or deleted."""
        name = self.list.chosen
        offered = self.list.place == "offered"
        self._change(changes.archive(name) if offered else changes.bring_back(name, self.list.deleted))

    def delete(self) -> None:
        """Delete the chosen model, which Undo restores; or a deleted one for good, after a question."""
        deleted = self.list.deleted
        if deleted is None:
            self._change(changes.delete(self.list.chosen))
        elif _agrees(self, deleted):
            self._change(changes.delete_for_good(deleted))

    def undo(self) -> None:
        """Undo the last change; if that fails, it can be retried."""
        step = self.history.begin_undo()
        self._work(step.text, "", tasks.change, step.act)

    def export(self, folder: Path) -> None:
        """Copy the chosen model's files to a folder."""
        self._change(changes.export(self.list.chosen, folder))

    def add(self, file: Path) -> None:
        """Install a model file."""
        self._work(f"Added {file.name}.", "Installing. This takes a few seconds.", tasks.add, file)

    def compare(self) -> None:
        """Compare the chosen model with the other one, in a separate process; stop a comparison in progress instead."""
        if self._is_comparing:
            self.worker.cancel()
            return
        new, old = self.list.chosen, self.comparing.other.currentText()
        self.comparing.status.setText(f"Comparing '{old}' (old) and '{new}' (new). You can keep working.")
        self.comparing.result.show_comparison(None)
        self._is_comparing = True
        title = f"CenterMask: comparing {old} and {new}"
        self.worker.start(title, tasks.compare, old, new, self.comparing.data.currentData())
        self._refresh()

    def _change(self, change: Change) -> None:
        self.history.begin(change)
        self._work(change.text, "", tasks.change, change.act)

    def _work(self, done: str, meanwhile: str, task: Callable[..., Generator[Any, None, Any]], *args: object) -> None:
        self._done = done
        self.list.status.setText(meanwhile)
        self.worker.start("", task, *args)
        self._refresh()

    def _on_worked(self, value: object) -> None:
        worked, self._is_comparing = value == "", False
        self.history.end("done" if worked else "gone" if isinstance(value, tasks.Gone) else "failed")
        self.list.status.setText(self._done if worked else "")
        self.comparing.status.setText("")
        if isinstance(value, Compared):
            self.comparing.result.show_comparison(value)
        elif self.worker.cancelled:
            self.comparing.status.setText("Cancelled.")
        elif not worked:
            notify(getattr(value, "message", "The comparison was stopped by an error."))
        self.look()
        self._refresh()

    def _on_looked(self, value: object) -> None:
        if isinstance(value, Inventory):
            self.inventory = value
            self.list.show_inventory(value, in_use=self._used)
            self.list.show_in_use(self._used)
            self.comparing.set_models([e.model.name for e in value.entries])
            if value.broken:
                self.list.status.setText("Left out: " + " ".join(value.broken))
            self._on_chosen()
        again, self._looks_again = self._looks_again, False
        if again:
            self.look()

    def _on_chosen(self, *_: object) -> None:
        self.card.show_entry(self.entry)
        self.comparing.offer_other(self.list.chosen)
        self._refresh()

    def _on_rename(self) -> None:
        old = self.list.chosen
        new, ok = QInputDialog.getText(self, "CenterMask", "New name of the model:", text=old)
        if ok and new and new != old:
            self.rename(new)

    def _on_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder to copy the model to")
        if folder:
            self.export(Path(folder))

    def _on_add(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Add a model", filter=_FILES)
        if file:
            self.add(Path(file))

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder with images and annotations.json")
        if folder:
            self.add_data(Path(folder))

    def add_data(self, folder: Path) -> None:
        """Add a folder to compare on, and choose it."""
        if folder not in self._folders:
            self._folders.append(folder)
        self._list_data(chosen=DataFolder(folder))

    def _list_data(self, chosen: DataFolder | None = None) -> None:
        combo, project = self.comparing.data, self.projects.project
        chosen = chosen or combo.currentData()
        offered = data_folders(None if project is None else project.folder, self._folders)
        combo.clear()
        for source in offered:
            combo.addItem("Project, held-out part" if source.is_project else source.title, source)
            combo.setItemData(combo.count() - 1, str(source.folder), Qt.ItemDataRole.ToolTipRole)
        combo.setCurrentIndex(offered.index(chosen) if chosen in offered else 0)
        self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """List the models again, as some may have been added."""
        super().showEvent(event)
        self.look()


def _agrees(parent: QWidget, deleted: Deleted) -> bool:
    """Ask whether to delete a model for good."""
    text = f"Delete '{deleted.name}' of {deleted.date} for good?\n\nIts files are removed. This cannot be undone."
    answer = QMessageBox.question(parent, "Delete a model for good", text)
    return answer == QMessageBox.StandardButton.Yes
