"""The part of the Segment dock for many images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QProgressBar, QPushButton, QWidget

from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.layout import column, even, label, quiet_label, row
from napari_centermask.widgets.parts.pickers import can_shrink, hint, show_control
from napari_centermask.widgets.segment.many import CHOICES, ManySlot, ManyState, many_controls

if TYPE_CHECKING:
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.work.connections import Connections

_NAMED = 3  # images left out that the report names; its tooltip has all
_HELP = "Segments all images of a folder. The folder becomes a project, in which you look through the cells and correct them."


class ManyBox(QWidget):
    """Which images, the buttons, progress and report."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = QPushButton("Segment a folder…")
        hint(self.folder, _HELP)
        self.choice = QComboBox()
        can_shrink(self.choice)
        for key, text in CHOICES.items():
            self.choice.addItem(text, key)
        self.with_corrected = QCheckBox("Also images with corrected cells")
        self.with_corrected.setToolTip("New predictions are added there; cells that you accepted or corrected stay.")
        self.start, self.cancel = QPushButton("Segment"), QPushButton("Cancel")
        self.go_on, self.clear = QPushButton("Go on"), QPushButton("Clear predictions")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.status = quiet_label()
        self.project = QWidget()
        inner = column(self.project)
        inner.addWidget(row(label("Images"), self.choice, stretch=1))
        inner.addWidget(self.with_corrected)
        inner.addWidget(even(self.start, self.cancel))
        inner.addWidget(self.progress)
        inner.addWidget(even(self.go_on, self.clear))
        content = QWidget()
        layout = column(content)
        for part in (self.project, self.status, self.folder):
            layout.addWidget(part)
        self.fold = Fold("Many images")
        self.fold.addWidget(content)
        column(self).addWidget(self.fold)


class ManyPart:
    """Connects the box with the images of the project.

    Parameters
    ----------
    settings
        Returns the settings in the form.
    model
        Returns the name of the chosen model; empty if there is none.
    open_project
        Opens the dock of projects, so that the slot is filled.
    """

    def __init__(
        self,
        slot: ManySlot,
        links: Connections,
        *,
        settings: Callable[[], SegmentSettings],
        model: Callable[[], str],
        open_project: Callable[[], None],
    ) -> None:
        self._slot, self._settings, self._model, self._open_project = slot, settings, model, open_project
        self.box = box = ManyBox()
        self._was_open = False
        links.add(slot.changed, self.refresh)
        links.add(box.choice.currentIndexChanged, self.refresh)
        links.add(box.with_corrected.toggled, self.refresh)
        links.add(box.start.clicked, self.start)
        links.add(box.cancel.clicked, lambda: slot.many.cancel() if slot.many else None)
        links.add(box.go_on.clicked, lambda: slot.many.go_on() if slot.many else None)
        links.add(box.clear.clicked, lambda: slot.many.clear(box.choice.currentData()) if slot.many else None)
        links.add(box.folder.clicked, self.ask_for_folder)
        self.refresh()

    def start(self) -> None:
        """Segment the chosen images; raises `UserError` if a value in the form is out of range."""
        many = self._slot.many
        if many is not None:
            choice = self.box.choice.currentData()
            many.start(choice, self._settings(), with_corrected=self.box.with_corrected.isChecked())

    def ask_for_folder(self) -> None:
        """Ask for a folder of images and segment what is untouched there."""
        folder = QFileDialog.getExistingDirectory(self.box, "Segment the images of a folder")
        if folder:
            self.segment_folder(Path(folder))

    def segment_folder(self, folder: Path) -> None:
        """Open a folder as a project and segment its untouched images."""
        settings = self._settings()
        self._open_project()
        many = self._slot.many
        if many is not None and many.open(folder):
            self.box.choice.setCurrentIndex(0)
            many.start(self.box.choice.currentData(), settings, with_corrected=False)

    def refresh(self, *_: object) -> None:
        """Show the images, the progress, and what the buttons may do."""
        box, many = self.box, self._slot.many
        with_corrected = box.with_corrected.isChecked()
        state = ManyState() if many is None else many.state(with_corrected=with_corrected)
        shown = many_controls(state, box.choice.currentData(), model=self._model())
        for button, control in (
            (box.start, shown.start),
            (box.go_on, shown.go_on),
            (box.cancel, shown.cancel),
            (box.clear, shown.clear),
        ):
            show_control(button, control)
        box.go_on.setVisible(bool(state.left) and not state.is_running)
        box.progress.setVisible(state.is_running)
        box.progress.setValue(round(1000 * state.part))
        box.project.setVisible(bool(state.project))
        box.folder.setEnabled(not state.is_running)
        box.status.setText(_report(state, shown.note))
        box.status.setToolTip("\n".join(state.details))
        box.status.setVisible(bool(box.status.text()))
        if state.project and not self._was_open:
            box.fold.expand(animate=False)
        self._was_open = bool(state.project)


def _report(state: ManyState, note: str) -> str:
    """The progress or the report, with the first images that were left out, and what is to be known before a run."""
    more = [f"And {len(state.details) - _NAMED} more."] if len(state.details) > _NAMED else []
    return " ".join(filter(None, [state.message, *state.details[:_NAMED], *more, note]))
