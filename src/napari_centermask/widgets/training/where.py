"""Where to train: on this computer, or on Azure Machine Learning, with what it takes shown before it starts."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_centermask.cloud.attend import plan_for
from napari_centermask.cloud.plan import Plan
from napari_centermask.cloud.sizes import SIZES, advise, size_named
from napari_centermask.cloud.workspace import read_workspace
from napari_centermask.core.errors import BadSettings, UserError
from napari_centermask.core.extras import how_to_install, is_installed
from napari_centermask.jobs.place import Place
from napari_centermask.settings import TrainSettings
from napari_centermask.widgets.parts.layout import label, quiet_label, row
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.tasks import Failed

HERE, AZURE = "This computer", "Azure"
ADVISED = "Advised size"
UNKNOWN = "The size of a machine is advised when the data have been checked."
_LONGEST_H = 1000.0  # of the field: a choice, six weeks


def missing() -> str:
    """Why Azure cannot be used here, with the remedy; empty if its packages are installed."""
    if all(map(is_installed, ("azure-ai-ml", "azure-identity"))):
        return ""
    return f"Azure needs its packages: {how_to_install('azure')}. Then log in with `az login`, and restart napari."


def estimated(settings: TrainSettings, place: Place) -> Generator[None, None, Plan | Failed]:
    """What a run takes at a place; for the worker thread."""
    yield
    try:
        return plan_for(settings, place)
    except UserError as error:
        return Failed.of(error)


class WhereBox(QWidget):
    """Chooses where to train; `place` is the choice.

    Attributes
    ----------
    changed
        Emitted when another place was chosen.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.where = QComboBox()
        self.where.addItems([HERE, AZURE])
        self.where.setToolTip(
            "On Azure, training goes on in your workspace; what it takes at most is shown before it starts."
        )
        self.config = QPushButton("config.json…")
        self.config.setToolTip("Fill in the three names from the file that the portal offers: 'Download config file'.")
        self.subscription, self.group, self.workspace, self.compute = (QLineEdit() for _ in range(4))
        self.compute.setToolTip("Name of the compute in the workspace.")
        self.makes = QCheckBox("Make it if there is none")
        self.makes.setToolTip("Make a compute of this name; it has no machines while it has no work.")
        self.sizes = QComboBox()
        self.sizes.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.sizes.setMinimumContentsLength(8)
        self.sizes.addItems([ADVISED, *(size.name for size in SIZES)])
        self.nodes = QSpinBox()
        self.nodes.setRange(1, 64)
        self.hours = QDoubleSpinBox()
        self.hours.setRange(0, _LONGEST_H)
        self.hours.setSpecialValueText("automatic")
        self.hours.setSuffix(" h")
        self.hours.setToolTip("Azure ends the job then; automatic is twice the time limit and half an hour, or a day.")
        self.advice, self.reason = quiet_label(), quiet_label()
        self._lay_out()
        self.where.currentIndexChanged.connect(self._on_chosen)
        self.config.clicked.connect(self._on_config)
        self.sizes.currentIndexChanged.connect(self._on_size)
        self.makes.toggled.connect(self.sizes.setEnabled)
        self.sizes.setEnabled(False)
        self.show_advice(None)
        self._on_chosen()

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(label("Where"), self.where)
        self.fields = QWidget()
        inside = QFormLayout(self.fields)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addRow(self.reason)
        inside.addRow(label("Subscription"), row(self.subscription, self.config))
        for name, field in (("Group", self.group), ("Workspace", self.workspace), ("Compute", self.compute)):
            inside.addRow(label(name), field)
        inside.addRow("", self.makes)
        inside.addRow(label("Size"), self.sizes)
        inside.addRow(label("Machines"), self.nodes)
        inside.addRow(label("Time limit"), self.hours)
        inside.addRow(self.advice)
        form.addRow(self.fields)

    @property
    def is_elsewhere(self) -> bool:
        """Whether another place than this computer is chosen."""
        return self.where.currentText() != HERE

    @property
    def missing(self) -> str:
        """Why the chosen place cannot be used, with the remedy; empty if it can."""
        return missing() if self.is_elsewhere else ""

    def place(self) -> Place | None:
        """The choice; None for this computer.

        Raises
        ------
        BadSettings
            If a field is empty.
        """
        if not self.is_elsewhere:
            return None
        texts = {
            "subscription_id": self.subscription.text().strip(),
            "resource_group": self.group.text().strip(),
            "workspace_name": self.workspace.text().strip(),
            "compute": self.compute.text().strip(),
        }
        if empty := [name.replace("_", " ") for name, text in texts.items() if not text]:
            raise BadSettings(f"Azure needs the {empty[0]}. Fill it in, or take the names from config.json.")
        is_made = self.makes.isChecked()
        return Place(
            **texts,
            create=is_made,
            size=self.sizes.currentText() if is_made and self.sizes.currentIndex() else None,
            nodes=self.nodes.value(),
            hours=self.hours.value() or None,
        )

    def show_advice(self, settings: TrainSettings | None) -> None:
        """Show the advised size for a run with its reason; None while the run is not known."""
        if settings is None:
            self.advice.setText(UNKNOWN)
            return
        advice = advise(settings)
        self.advice.setText(f"Advised: {advice.size.summary}. {advice.reason[0].upper()}{advice.reason[1:]}.")

    def read(self, path: Path) -> None:
        """Fill in the names of a workspace from config.json; an error becomes a notification."""
        try:
            workspace = read_workspace(path)
        except UserError as error:
            notify(str(error), error.page)
            return
        self.subscription.setText(workspace.subscription_id)
        self.group.setText(workspace.resource_group)
        self.workspace.setText(workspace.workspace_name)

    def _on_config(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "The workspace's config.json", "", "config.json (*.json)")
        if path:
            self.read(Path(path))

    def _on_size(self, *_: object) -> None:
        known = size_named(self.sizes.currentText())
        self.sizes.setToolTip("As advised below." if known is None else known.summary)

    def _on_chosen(self, *_: object) -> None:
        self.fields.setVisible(self.is_elsewhere)
        self.reason.setText(self.missing)
        self.reason.setVisible(bool(self.missing))
        self.changed.emit()
