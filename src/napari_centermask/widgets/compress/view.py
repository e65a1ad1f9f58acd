"""The parts of the Compress dock: what is compressed, the steps, and the table with its plot."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QHeaderView, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_centermask.deploy.compress.plan import DistilStep, Plan, PruneStep, QatStep, QuantiseStep
from napari_centermask.settings import Settings
from napari_centermask.widgets.compress.controls import STEPS
from napari_centermask.widgets.compress.plot import SpeedPlot
from napari_centermask.widgets.compress.table import MEASURES, Row, cells, headings
from napari_centermask.widgets.parts.forms import SettingsForm
from napari_centermask.widgets.parts.layout import column, even, label, row, titled_form, wrapped_label
from napari_centermask.widgets.parts.pickers import ModelCombo, can_shrink
from napari_centermask.widgets.parts.tables import ClickedTable, TitledRows

_FIELDS: dict[str, tuple[type[Settings], tuple[str, ...]]] = {
    "prune": (PruneStep, ("part", "criterion", "rounds", "steps")),
    "distil": (DistilStep, ("steps", "temperature", "weight")),
    "qat": (QatStep, ("steps",)),
    "quantise": (QuantiseStep, ("method", "seven_bits")),
}
"""What the dock lets a person set of each step; a plan file has the rest."""
_LINE = 20  # pixels of a line of the table, all of which are seen: the dock scrolls


class FormBox(QWidget):
    """What is compressed: the model, the images to measure on, the accepted loss, and the name of the result."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.data, self.folder = ModelCombo(), QComboBox(), QPushButton("Folder…")
        can_shrink(self.data)
        self.data.setMinimumContentsLength(6)
        self.data.setToolTip(
            "Images like those that you segment. With annotations, AP is measured; without, how many cells stay the same."
        )
        self.folder.setToolTip("Choose a project, a folder with images/ and annotations.json, or a folder of images.")
        self.accepted = SettingsForm(Plan, ("accepted",))
        self.name = QLineEdit()
        self.name.setToolTip("The best result is installed under this name.")
        rows = titled_form(self, "Compress", help="compress")
        rows.addRow(label("Model"), self.model)
        rows.addRow(label("Images"), row(self.data, self.folder))
        rows.addRow(label("New name"), self.name)
        rows.addRow(self.accepted)


class StepsBox(QWidget):
    """The steps in their default order, each with a box to tick and its settings under it."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes: dict[str, QCheckBox] = {}
        self.forms: dict[str, SettingsForm] = {}
        layout = column(self)
        title = QLabel("Steps, in this order")
        title.setObjectName("heading")
        layout.addWidget(title)
        for step, text in STEPS.items():
            box, form = QCheckBox(text), SettingsForm(*_FIELDS[step])
            box.setChecked(step == "quantise")
            form.setVisible(box.isChecked())
            form.layout().setContentsMargins(18, 0, 0, 0)  # under the text of the box
            box.toggled.connect(form.setVisible)
            self.boxes[step], self.forms[step] = box, form
            layout.addWidget(box)
            layout.addWidget(form)

    @property
    def ticked(self) -> tuple[str, ...]:
        """The steps that can be done and are wanted, in order."""
        return tuple(step for step, box in self.boxes.items() if box.isChecked())

    @property
    def method(self) -> str:
        """Of the quantisation."""
        return str(self.forms["quantise"].value()["method"])

    def values(self) -> dict[str, dict[str, Any]]:
        """The settings of each step that is ticked; raises `BadSettings` if one is out of range."""
        return {step: self.forms[step].value() for step in self.ticked}


class StepRows(TitledRows):
    """A line for each measure, with a column for each step."""

    steps: tuple[Row, ...] = ()

    def show_steps(self, steps: tuple[Row, ...]) -> None:
        """Show other steps."""
        self.beginResetModel()
        self.steps = steps
        self.titles = ("", *headings(steps)) if steps else ()
        self.rows = cells(steps)
        self.endResetModel()

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, numbers to the right."""
        if role == Qt.ItemDataRole.DisplayRole:
            return self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.ToolTipRole and index.column():
            return self.steps[index.column() - 1]["step"]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column():
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None


class ResultBox(QWidget):
    """The table and the plot of the steps so far, the recommendation, and what to do with the result."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = StepRows()
        self.table = ClickedTable(
            self.rows, "Each step gets a column here: size, speed, memory, AP, and how many cells stay."
        )
        self.table.setShowGrid(False)
        self.table.verticalHeader().setDefaultSectionSize(_LINE)
        self.table.setFixedHeight((len(MEASURES) + 2) * _LINE)
        self.table.setHorizontalScrollMode(ClickedTable.ScrollMode.ScrollPerPixel)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.plot = SpeedPlot()
        self.sentence = wrapped_label()
        self.use, self.open_folder = QPushButton("Use"), QPushButton("Open folder")
        title = QLabel("Speed and AP of each step")
        title.setObjectName("heading")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for part in (title, self.sentence, even(self.use, self.open_folder), self.plot, self.table):
            layout.addWidget(part)

    def show_steps(self, steps: tuple[Row, ...]) -> None:
        """Show what is known of the steps."""
        self.rows.show_steps(steps)
        self.plot.show_steps(steps)
