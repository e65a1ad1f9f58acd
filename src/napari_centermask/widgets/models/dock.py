"""The dock "CenterMask: Models": every model with its card and lineage; rename, compare, export, archive, delete, undo."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari.utils.notifications import show_error
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget

from napari_centermask.models.store import registry
from napari_centermask.models.store.registry import Deleted
from napari_centermask.widgets.models import tasks as tasks
from napari_centermask.widgets.models.tasks import Entry, Inventory
from napari_centermask.widgets.models.view import CardBox, CompareBox, ListBox
from napari_centermask.widgets.parts.layout import STYLE, WIDTH, stack
from napari_centermask.widgets.parts.pickers import hint
from napari_centermask.widgets.parts.tabs import share_place
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.training.comparison import Compared
from napari_centermask.widgets.training.plan import Source
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    from napari.viewer import Viewer

_FILES = "Models (*.safetensors *.onnx *.pth *.pkl)"
Act = Callable[[], Any]


class Step(NamedTuple):
    """A change that can be taken back: what it was, and what takes it back."""

    text: str
    back: Act


class ModelsDock(QWidget):
    """Keep order among the models; the registry on disk is the truth, the dock shows it."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.projects = project_session_of(napari_viewer)
        self.looker, self.worker = Runner(), Runner()
        self.inventory = Inventory((), (), (), ())
        self._undo: list[Step] = []
        self._if_done: Step | None = None
        self._if_failed: Step | None = None
        self._done = ""
        self._folders: list[Path] = []
        self._looks_again = False
        self._build()
        self._connect()
        self._list_data()
        self.look()

    def _build(self) -> None:
        self.list, self.card, self.comparing = ListBox(), CardBox(), CompareBox()
        self.setStyleSheet(STYLE)
        share_place(self, "Models")
        stack(self, (self.list, self.card, self.comparing))

    def sizeHint(self) -> QSize:
        """Room for a card."""
        return QSize(WIDTH + 20, 760)

    def _connect(self) -> None:
        box = self.list
        box.tree.currentItemChanged.connect(self._on_chosen)
        box.rename.clicked.connect(self._on_rename)
        box.archive.clicked.connect(self.archive)
        box.delete.clicked.connect(self.delete)
        box.undo.clicked.connect(self.undo)
        box.export.clicked.connect(self._on_export)
        box.add.clicked.connect(self._on_add)
        self.comparing.folder.clicked.connect(self._on_folder)
        self.comparing.start.clicked.connect(self.compare)
        self.comparing.data.currentIndexChanged.connect(self._refresh)
        self.comparing.other.currentIndexChanged.connect(self._refresh)
        links = [
            (self.looker.ended, self._on_looked),
            (self.worker.ended, self._on_worked),
            (self.projects.opened, self._list_data),
        ]
        for signal, slot in links:
            signal.connect(slot)
        runners = self.looker, self.worker
        self.destroyed.connect(lambda: _end(links, runners))

    @property
    def entry(self) -> Entry | None:
        """The chosen model; None for one that was archived or deleted."""
        if not self.list.is_offered:
            return None
        return next((e for e in self.inventory.entries if e.model.name == self.list.chosen), None)

    def look(self) -> None:
        """Read the models again, off the GUI thread."""
        if self.looker.is_running:
            self._looks_again = True
        else:
            self.looker.start("", tasks.look)

    def rename(self, new: str) -> None:
        """Give the chosen model another name."""
        old = self.list.chosen
        self._do(
            f"Renamed '{old}' to '{new}'.",
            partial(registry.rename_model, old, new),
            partial(registry.rename_model, new, old),
        )

    def archive(self) -> None:
        """Put the chosen model away; or bring it back, from the archive or as it was deleted."""
        name, deleted = self.list.chosen, self.list.deleted
        there, back = _archiving(name) if deleted is None else _deleting(deleted)
        if self.list.is_offered:
            self._do(f"Archived '{name}'.", there, back)
        else:
            self._do(f"'{name}' is offered again.", back, there)

    def delete(self) -> None:
        """Delete the chosen model, Undo brings it back; or a deleted one for good, once the person agrees."""
        name, deleted = self.list.chosen, self.list.deleted
        if deleted is not None:
            if _agrees(self, deleted):
                self._do(f"'{name}' is gone.", partial(registry.remove_deleted, deleted), None)
            return
        self._do(f"Deleted '{name}'.", *_deleting(Deleted(time.time_ns(), name)))

    def undo(self) -> None:
        """Take the last change back; where that fails, it can be tried again."""
        step = self._undo.pop()
        self._do(f"Undone: {step.text}", step.back, None)
        self._if_failed = step

    def export(self, folder: Path) -> None:
        """Copy the chosen model's files into a folder."""
        name = self.list.chosen
        self._do(f"Copied '{name}' to {folder}.", partial(registry.export_model, name, folder), None)

    def add(self, file: Path) -> None:
        """Install a model file."""
        self._work(f"Added {file.name}.", "Installing; its graphs take some seconds.", tasks.add, file)

    def compare(self) -> None:
        """Compare the chosen model with the other one, in a process of its own."""
        new, old = self.list.chosen, self.comparing.other.currentText()
        self.comparing.status.setText(f"Comparing '{old}' (old) and '{new}' (new); work on meanwhile.")
        self.comparing.result.show_comparison(None)
        self.worker.start("", tasks.compare, old, new, self.comparing.data.currentData())
        self._refresh()

    def _do(self, text: str, act: Act, back: Act | None) -> None:
        self._if_done = None if back is None else Step(text, back)
        self._work(text, "", tasks.change, act)

    def _work(self, done: str, meanwhile: str, task: Callable, *args: Any) -> None:
        self._done = done
        self.list.status.setText(meanwhile)
        self.worker.start("", task, *args)
        self._refresh()

    def _on_worked(self, value: Any) -> None:
        self._remember(value)
        if isinstance(value, Compared):
            self.comparing.status.setText("")
            self.comparing.result.show_comparison(value)
        elif value == "":
            self.list.status.setText(self._done)
        else:
            text = getattr(value, "message", "It was stopped by an error.")
            self.list.status.setText("")
            self.comparing.status.setText("")
            show_error(text)
        self.look()
        self._refresh()

    def _remember(self, value: Any) -> None:
        """Offer to take back what was done, and again what could not be taken back."""
        step = self._if_done if value == "" else self._if_failed
        self._if_done = self._if_failed = None
        if step is not None and not isinstance(value, tasks.Gone):
            self._undo.append(step)

    def _on_looked(self, value: Any) -> None:
        if isinstance(value, Inventory):
            self.inventory = value
            self.list.show_inventory(value)
            self.comparing.set_models([e.model.name for e in value.entries])
            if value.broken:
                self.list.status.setText("Left out: " + " ".join(value.broken))
            self._on_chosen()
        again, self._looks_again = self._looks_again, False
        if again:
            self.look()

    def _on_chosen(self, *_) -> None:
        self.card.show_entry(self.entry)
        self._refresh()

    def _on_rename(self) -> None:
        old = self.list.chosen
        new, ok = QInputDialog.getText(self, "CenterMask", "New name of the model:", text=old)
        if ok and new and new != old:
            self.rename(new)

    def _on_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Copy the model to")
        if folder:
            self.export(Path(folder))

    def _on_add(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Add a model", filter=_FILES)
        if file:
            self.add(Path(file))

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder with images and annotations.json")
        if folder:
            self.add_data(Path(folder))

    def add_data(self, folder: Path) -> None:
        """Offer a folder to compare on, and choose it."""
        if folder not in self._folders:
            self._folders.append(folder)
        self._list_data(chosen=Source(folder))

    def _list_data(self, chosen: Source | None = None) -> None:
        combo, project = self.comparing.data, self.projects.project
        chosen = chosen or combo.currentData()
        sources = [] if project is None else [Source(project.folder, is_project=True)]
        sources += [Source(folder) for folder in self._folders]
        combo.clear()
        for source in sources:
            combo.addItem(source.title + (", held-out part" if source.is_project else ""), source)
        combo.setCurrentIndex(sources.index(chosen) if chosen in sources else 0)
        self._refresh()

    def _refresh(self, *_) -> None:
        """Enable what can work and say why the rest cannot."""
        box, entry, name = self.list, self.entry, self.list.chosen
        busy = "Something is being done; wait a moment." if self.worker.is_running else ""
        shipped = "It is part of the plugin and stays." if entry is not None and entry.model.shipped else ""
        none = "" if name else "Choose a model."
        own = busy or none or shipped
        here = "" if box.is_offered else "Bring it back first."
        box.archive.setText("Bring back" if here else "Archive")
        hint(box.rename, own or here or "Give it another name.", enabled=not (own or here))
        hint(box.archive, own or ("Offer it again." if here else "Keep it, and offer it no longer."), enabled=not own)
        is_deleted = box.deleted is not None
        box.delete.setText("Delete for good…" if is_deleted else "Delete")
        kept = "" if is_deleted else here
        text = (
            "Free its space on the disk; nothing brings it back." if is_deleted else "Delete it; Undo brings it back."
        )
        hint(box.delete, own or kept or text, enabled=not (own or kept))
        hint(box.export, busy or none or here or "Copy its files into a folder.", enabled=not (busy or none or here))
        hint(box.add, busy or "Install a model file, ours or a public CenterMask2 checkpoint.", enabled=not busy)
        last = f"Take back: {self._undo[-1][0]}" if self._undo else ""
        hint(box.undo, busy or last or "Nothing to take back.", enabled=bool(last) and not busy)
        reason = busy or none or here
        if not reason and self.comparing.data.currentData() is None:
            reason = "Open a project, or choose a folder with annotated images."
        if not reason and self.comparing.other.currentText() == name:
            reason = "Choose another model to compare with."
        hint(self.comparing.start, reason or "Both look at the same images.", enabled=not reason)

    def showEvent(self, event) -> None:
        """Models may have come since."""
        super().showEvent(event)
        self.look()


def _agrees(parent: QWidget, deleted: Deleted) -> bool:
    """Whether the person wants a model gone."""
    text = f"Delete '{deleted.name}' of {deleted.date} for good?\n\nIts files are removed; Undo cannot bring them back."
    answer = QMessageBox.question(parent, "Delete a model for good", text)
    return answer == QMessageBox.StandardButton.Yes


def _archiving(name: str) -> tuple[Act, Act]:
    """Put a model away, and bring it back from there."""
    return partial(registry.archive_model, name), partial(registry.restore_archived, name)


def _deleting(deleted: Deleted) -> tuple[Act, Act]:
    """Delete a model, and bring back exactly that one; in turn, as often as somebody likes."""
    there = partial(registry.delete_model, deleted.name, time_ns=deleted.time_ns)
    return there, partial(registry.restore_deleted, deleted)


def _end(links: list[tuple], runners: Sequence[Runner]) -> None:
    """Nobody looks any more."""
    for signal, slot in links:
        signal.disconnect(slot, missing_ok=True)
    for runner in runners:
        runner.cancel()
