"""The parts of the project dock; they show its state."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_centermask.widgets.parts.layout import HelpButton, label, row
from napari_centermask.widgets.parts.pickers import ModelCombo

_HELP = """
<p><b>Work on a project</b></p>
<ol>
<li>Open a folder of images; it becomes a project. Your images are not changed.</li>
<li>Click an image, or press ◀ ▶. Segment it with the CenterMask dock, or have the next images predicted in the
background while you work.</li>
<li>Many images? Order them by "Most informative first" before you correct some for fine-tuning.</li>
<li>Correct and review the cells. When an image is finished, press "Reviewed, next".</li>
<li>Every edit is written to a journal at once. Save writes annotations.json, which any COCO reader opens.</li>
</ol>
"""


class HeadBox(QWidget):
    """Open and save, and the name of the project."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.save, self.export = QPushButton("Open folder…"), QPushButton("Save"), QPushButton("Export…")
        self.add, self.bring = QPushButton("Add images…"), QPushButton("Import…")
        self.samples = QPushButton("Try it with sample images…")
        self.samples.setToolTip("Choose where to put a new project with four images of nuclei.")
        self.name = QLabel()
        self.name.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(row(self.name, HelpButton(_HELP)))
        layout.addWidget(_even(self.open, self.save))
        layout.addWidget(_even(self.add, self.bring, self.export))
        layout.addWidget(self.samples)


class NavigationBox(QWidget):
    """Go to the previous or next image, or mark this one as reviewed."""

    def __init__(self) -> None:
        super().__init__()
        self.previous, self.next = QPushButton("◀"), QPushButton("▶")
        self.done = QPushButton("Reviewed, next")
        self.done.setObjectName("primary")
        for button in (self.previous, self.next):
            button.setFixedWidth(40)
        self.count = QLabel()
        self.count.setObjectName("quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row(self.previous, self.done, self.next, stretch=1))
        layout.addWidget(self.count)


class BackgroundBox(QWidget):
    """Work of a model in the background: ranking the images, and predicting the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = QCheckBox("Predict the next images")
        self.wanted.setToolTip("Segment the next untouched images while you work on this one.")
        self.models = ModelCombo()
        self.models.setToolTip("The model to predict with; it uses the settings of its last run in this window.")
        self.order = QComboBox()
        self.order.addItem("As in the folder", False)
        self.order.addItem("Most informative first", True)
        self.order.setToolTip(
            "Segments each image that is not reviewed, as it is and mirrored. First come those on which the model is unsure "
            "or contradicts itself, and that look unlike the reviewed ones: correcting them improves a model most."
        )
        self.ranking = QLabel()
        self.ranking.setObjectName("quiet")
        self.ranking.setWordWrap(True)
        self.ranking.hide()
        self.status = QLabel()
        self.status.setObjectName("quiet")
        self.status.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row(label("Order"), self.order, stretch=1))
        layout.addWidget(self.ranking)
        layout.addWidget(row(self.wanted, self.models, stretch=1))
        layout.addWidget(self.status)


def _even(*widgets: QWidget) -> QWidget:
    """Widgets side by side, of one width."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for widget in widgets:
        layout.addWidget(widget, 1)
    return holder
