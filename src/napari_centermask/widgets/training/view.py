"""The parts of the fine-tuning dock; they show its state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QEvent, QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QLineEdit, QProgressBar, QPushButton, QWidget

from napari_centermask.models.families import new_families
from napari_centermask.widgets.parts.curves import Curves
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.layout import column, even, label, quiet_label, row, titled_form, wrapped_label
from napari_centermask.widgets.parts.pickers import ModelCombo
from napari_centermask.widgets.parts.picture import Picture
from napari_centermask.widgets.parts.theme import ON_COLOUR
from napari_centermask.widgets.training.form import TrainForm
from napari_centermask.widgets.training.where import WhereBox
from napari_centermask.widgets.work.run_state import STATES

if TYPE_CHECKING:
    from qtpy.QtGui import QImage

    from napari_centermask.widgets.training.runs import Run
    from napari_centermask.widgets.work.run_state import RunState

_LEVELS = 6  # nested layouts: a label, its row, its box, the column, its scroll area, and one to spare


class StartBox(QWidget):
    """Start model, data, and the start button."""

    def __init__(self) -> None:
        super().__init__()
        self.data = QComboBox()
        self.data.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.data.setMinimumContentsLength(6)
        self.folder = QPushButton("Other folder…")
        self.folder.setToolTip("Choose a folder with images/ and annotations.json in COCO format.")
        self.models = ModelCombo(trainable=True, networks=new_families().values())
        self.models.setToolTip(
            "The model to train further: the one in use, unless you choose another. A new network is trained from scratch, "
            "which takes more cells and more time."
        )
        self.where = WhereBox()
        self.about = quiet_label()
        self.tiles = QPushButton("Preview tiles")
        self.start = QPushButton("Fine-tune")
        self.start.setObjectName("primary")
        form = titled_form(self, "Fine-tune", help="training#in-napari")
        form.addRow(label("Train on"), self.data)
        form.addRow(label("Start from"), self.models)
        form.addRow(self.where)
        form.addRow(self.about)
        form.addRow(even(self.folder, self.tiles))
        form.addRow(self.start)


class RunsBox(QWidget):
    """Choose the run to show."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = QComboBox()
        self.runs.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.runs.setMinimumContentsLength(14)
        self.runs.setToolTip("Runs of this project and of this computer, newest first.")
        form = titled_form(self, "Run")
        form.addRow(label("Show"), self.runs)

    def set_runs(self, runs: Sequence[Run], current: Path | None) -> None:
        """Offer these runs; the shown one stays chosen."""
        with QSignalBlocker(self.runs):
            self.runs.clear()
            for run in runs:
                when = datetime.fromtimestamp(run.created).strftime("%d %b %H:%M")
                self.runs.addItem(
                    f"{run.folder.name} · {STATES.get(run.state, run.state).partition(';')[0]}", str(run.folder)
                )
                self.runs.setItemData(self.runs.count() - 1, f"{when}, {run.folder}", Qt.ItemDataRole.ToolTipRole)
        self.show_current(current)
        self.setVisible(bool(runs))

    def show_current(self, folder: Path | None) -> None:
        """Choose the shown run."""
        with QSignalBlocker(self.runs):
            self.runs.setCurrentIndex(-1 if folder is None else self.runs.findData(str(folder)))


class ProgressBox(QWidget):
    """The progress of the run, and buttons for it.

    The bar is never animated: with software OpenGL, each frame of an animation redraws the whole window.
    """

    def __init__(self) -> None:
        super().__init__()
        self.title, self.machine, self.notices = wrapped_label(), quiet_label(), quiet_label()
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.pause, self.stop = QPushButton("Pause"), QPushButton("Stop")
        self.discard = QPushButton("Discard")
        layout = column(self)
        layout.addWidget(self.title)
        layout.addWidget(self.progress)
        layout.addWidget(self.machine)
        layout.addWidget(even(self.pause, self.stop, self.discard))
        layout.addWidget(self.notices)

    def show_state(self, state: RunState) -> None:
        """Update the texts and the bar."""
        self.title.setText(state.title)
        self.progress.setUpdatesEnabled(
            False
        )  # otherwise it would redraw the window separately instead of waiting for the rest
        self.progress.setValue(round(state.part * 1000))
        self.progress.setUpdatesEnabled(True)
        self.machine.setText(state.machine)
        self.notices.setText("\n".join(state.notices[-2:]))
        self.notices.setVisible(bool(state.notices))


class CurvesBox(QWidget):
    """Curves, and predictions on a validation image."""

    def __init__(self) -> None:
        super().__init__()
        self.curves = Curves()
        self.sample_name = quiet_label()
        self.picture = Picture()
        self.names = QComboBox()
        self.names.currentIndexChanged.connect(self._on_picked)
        self._pictures: tuple[tuple[str, QImage], ...] = ()
        layout = column(self)
        layout.addWidget(self.curves)
        layout.addWidget(self.sample_name)
        layout.addWidget(self.names)
        layout.addWidget(self.picture)
        self.set_pictures(())

    def set_pictures(self, pictures: Sequence[tuple[str, QImage]]) -> None:
        """Show new pictures; the chosen image stays chosen."""
        names = [name for name, _ in pictures]
        chosen = max(self.names.currentIndex(), 0)
        self._pictures = tuple(pictures)
        with QSignalBlocker(self.names):
            self.names.clear()
            self.names.addItems(names)
            self.names.setCurrentIndex(min(chosen, len(names) - 1))
        self.names.setVisible(len(names) > 1)
        self.sample_name.setText("What the model finds on a validation image" if names else "")
        self.sample_name.setVisible(bool(names))
        self._on_picked()

    def _on_picked(self, *_: object) -> None:
        at = self.names.currentIndex()
        self.picture.set_image(self._pictures[at][1] if 0 <= at < len(self._pictures) else None)


class AdvancedBox(QWidget):
    """All training settings, collapsed at first."""

    def __init__(self) -> None:
        super().__init__()
        self.form = TrainForm()
        self.fold = Fold("Advanced")
        self.fold.addWidget(self.form)
        column(self).addWidget(self.fold)


class FailureBox(QWidget):
    """Why a run failed, and buttons for remedies."""

    def __init__(self) -> None:
        super().__init__()
        self.text = wrapped_label()
        self.text.setStyleSheet(f"background-color: #8a2f3a; {ON_COLOUR} border-radius: 4px; padding: 6px;")
        self.buttons: list[QPushButton] = []
        self._layout = column(self)
        self._layout.addWidget(self.text)
        self.hide()

    def show_failure(self, text: str, remedies: Sequence[tuple[str, Callable[[], object]]]) -> None:
        """Show a text with a button for each remedy."""
        self.clear()
        self.text.setText(text)
        for title, act in remedies:
            button = QPushButton(title)
            button.clicked.connect(lambda _=False, act=act: act())
            self._layout.addWidget(button)
            self.buttons.append(button)
        self.show()

    def clear(self) -> None:
        """Hide it."""
        for button in self.buttons:
            self._layout.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        self.hide()


class InstallBox(QWidget):
    """Install the new model under a name, and segment with it."""

    def __init__(self) -> None:
        super().__init__()
        self.name = QLineEdit()
        self.name.setToolTip("The name to install the model under.")
        self.install = QPushButton("Install")
        self.predict = QPushButton("Predict the next image with it")
        self.status = quiet_label()
        layout = column(self)
        layout.addWidget(row(label("Name"), self.name, self.install, stretch=1))
        layout.addWidget(self.predict)
        layout.addWidget(self.status)


def settle() -> None:
    """Finish the layout after changes at once.

    Labels of several lines get their final size in two or three turns of the event loop. Each turn would redraw the whole
    window if it holds an OpenGL canvas: 25 ms with software OpenGL.
    """
    for _ in range(_LEVELS):  # a call leaves the requests of a layout to its parent for the next call
        QCoreApplication.sendPostedEvents(None, int(QEvent.Type.LayoutRequest))


def primary(button: QPushButton, wanted: bool) -> None:
    """Make a button stand out, or not."""
    name = "primary" if wanted else ""
    if button.objectName() != name:
        button.setObjectName(name)
        button.style().unpolish(button)
        button.style().polish(button)
