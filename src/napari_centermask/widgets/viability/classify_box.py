"""The part of the viability dock above the threshold: which classifier to use on which channels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QWidget

from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.classifier_card import list_classifiers, read_classifier_card
from napari_centermask.models.store.zoo import CLASSIFIER as SUFFIX
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.layout import column, label, row
from napari_centermask.widgets.parts.pickers import ChannelPicker, can_shrink
from napari_centermask.widgets.parts.run_box import RunBox
from napari_centermask.widgets.work.gate import notify

_FILE = "From file…"


class ClassifierCombo(QComboBox):
    """The classifiers of installed models, chosen files, and "From file…".

    Attributes
    ----------
    chosen_changed
        Emitted when another classifier is chosen.
    """

    chosen_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        can_shrink(self)
        self._files: list[Path] = []
        self._last = 0
        self.reload()
        self.activated.connect(self._on_activated)

    @property
    def chosen(self) -> str | None:
        """Name of a model or path of a file; None if nothing is chosen."""
        return self.currentData()

    def reload(self) -> None:
        """List the installed classifiers; the choice stays."""
        before = self.chosen
        with QSignalBlocker(self):
            self.clear()
            for name in list_classifiers():
                self.addItem(name, name)
                self._describe(f"Comes with the model '{name}'.")
            for path in self._files:
                self.addItem(path.name.removesuffix(SUFFIX), str(path))
                self._describe(str(path))
            self.addItem(_FILE, None)
            self._describe(f"Choose a file NAME{SUFFIX}, as `napari-centermask train-classifier` writes it.")
            self._last = max(self.findData(before) if before else 0, 0)
            self.setCurrentIndex(self._last)
        if self.chosen != before:
            self.chosen_changed.emit()

    def _describe(self, text: str) -> None:
        self.setItemData(self.count() - 1, text, Qt.ItemDataRole.ToolTipRole)

    def showPopup(self) -> None:
        """Reload whenever the list is opened."""
        self.reload()
        super().showPopup()

    def _on_activated(self, at: int) -> None:
        if self.itemData(at) is not None:
            self._last = at
            self.chosen_changed.emit()
            return
        with QSignalBlocker(self):
            self.setCurrentIndex(self._last)
        path, _ = QFileDialog.getOpenFileName(
            self, "Classifier of cells", "", f"Classifiers (*{SUFFIX});;All files (*)"
        )
        if path:
            self.choose_file(Path(path))

    def choose_file(self, path: Path) -> None:
        """Add a file and choose it; if it is not a classifier, a notification says so and the choice stays."""
        try:
            read_classifier_card(path)
        except BadModel as error:
            notify(str(error), error.page)
            return
        if path not in self._files:
            self._files.append(path)
            self.reload()
        self._last = self.findData(str(path))
        self.setCurrentIndex(self._last)
        self.chosen_changed.emit()


class ClassifyBox(QWidget):
    """The classifier, its channels, the cells that it may change, and its progress; collapsed at first."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier, self.channels = ClassifierCombo(), ChannelPicker()
        self.classifier.setToolTip("What gives each cell its category, from a square of pixels around it.")
        self.mean = QCheckBox("Average with present probabilities")
        self.mean.setToolTip(
            "An ensemble: the mean of the probabilities that the cells have and those of the classifier."
        )
        self.judged = QCheckBox("Include reviewed cells")
        self.judged.setToolTip(
            "Also change cells that you categorised, accepted or corrected, and cells in reviewed regions."
        )
        self.run = RunBox()
        self.run.start.setText("Classify")
        self._channels = row(label("Channels"), self.channels, stretch=1)
        rows = QWidget()
        inside = column(rows)
        inside.setContentsMargins(0, 4, 0, 0)
        for part in (
            row(label("Classifier"), self.classifier, stretch=1),
            self._channels,
            self.mean,
            self.judged,
            self.run,
        ):
            inside.addWidget(part)
        self.fold = Fold("Classify the cells")
        self.fold.addWidget(rows)
        column(self).addWidget(self.fold)
        self.set_channels([])
        self.report("")

    def set_channels(self, names: Sequence[str]) -> None:
        """Offer these channels; one alone needs no choice."""
        self.channels.set_names(names)
        self._channels.setVisible(len(names) > 1)

    def report(self, text: str) -> None:
        """Show the outcome; an empty text takes no space."""
        self.run.status.setText(text)
        self.run.status.setVisible(bool(text))
