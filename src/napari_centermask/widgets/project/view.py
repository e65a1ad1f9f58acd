"""The parts of the project dock; they show its state."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_centermask.widgets.parts.help import HelpButton
from napari_centermask.widgets.parts.layout import even, row


class HeadBox(QWidget):
    """Open and save, and the name of the project."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.save, self.export = QPushButton("Open folder…"), QPushButton("Save"), QPushButton("Export…")
        self.add, self.bring = QPushButton("Add images…"), QPushButton("Import…")
        self.samples, self.tutorial = QPushButton("Sample images…"), QPushButton("Tutorial images…")
        self.samples.setToolTip("Choose where to put a new project with four images of nuclei, to try everything.")
        self.tutorial.setToolTip(
            "Choose where to put a new project with five images of cells in phase contrast, and outlines to train a model on."
        )
        self.name = QLabel()
        self.name.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(row(self.name, HelpButton("projects")))
        layout.addWidget(even(self.open, self.save))
        layout.addWidget(even(self.add, self.bring, self.export))
        self.tries = even(self.samples, self.tutorial)
        layout.addWidget(self.tries)


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
