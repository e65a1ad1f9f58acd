"""The editor of a project's categories: colour, name, key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QGridLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_centermask.widgets.parts.layout import row

if TYPE_CHECKING:
    from napari_centermask.io.project import Category

_KEY_TIP = "Key that gives the selected cells this category: a letter or digit, also with Control- or Shift-."


class CategoryBox(QWidget):
    """One line for each category.

    Attributes
    ----------
    edited
        Emitted with the id and the changed `Category`.
    added
        Emitted with the name of a new category.
    removed
        Emitted with the id of a category to remove.
    """

    edited = Signal(int, object)
    added = Signal(str)
    removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._holder = QWidget()
        self._grid = QGridLayout(self._holder)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self.lines: dict[int, tuple[QPushButton, QLineEdit, QLineEdit, QPushButton]] = {}
        self.name = QLineEdit()
        self.name.setPlaceholderText("New category")
        self.add = QPushButton("Add")
        self.problem = QLabel()
        self.problem.setObjectName("quiet")
        self.problem.setWordWrap(True)
        self.problem.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self._holder)
        layout.addWidget(row(self.name, self.add))
        layout.addWidget(self.problem)
        layout.addStretch(1)
        self.add.clicked.connect(self._on_add)
        self.name.returnPressed.connect(self._on_add)

    def show_categories(self, categories: Mapping[int, Category], *, closed: str = "") -> None:
        """Show these, in the order of their ids; `closed` says why they cannot be edited."""
        for line in self.lines.values():
            for part in line:
                self._grid.removeWidget(part)
                part.deleteLater()
        self.lines = {id: self._line(id, categories[id]) for id in sorted(categories)}
        self.setEnabled(not closed)
        self.add.setToolTip(closed or "Add a category of this name.")
        self.name.setToolTip(closed or "Name of a new category.")
        for part in (part for line in self.lines.values() for part in line):
            part.setToolTip(closed or part.toolTip())
        self.problem.hide()

    def explain(self, text: str) -> None:
        """Show why a change is not possible."""
        self.problem.setText(text)
        self.problem.show()

    def _line(self, id: int, category: Category) -> tuple[QPushButton, QLineEdit, QLineEdit, QPushButton]:
        colour, name = QPushButton(), QLineEdit(category.name)
        key, remove = QLineEdit(category.key), QPushButton("✕")
        colour.setFixedSize(24, 24)
        colour.setStyleSheet(f"background-color: {category.colour}; border-radius: 4px;")
        colour.setToolTip("Choose the colour.")
        key.setFixedWidth(84)
        key.setPlaceholderText("no key")
        key.setToolTip(_KEY_TIP)
        remove.setFixedWidth(26)
        remove.setToolTip("Remove the category, if no cell has it.")
        for column, part in enumerate((colour, name, key, remove)):
            self._grid.addWidget(part, id, column)
        colour.clicked.connect(lambda: self._choose_colour(id, category))
        name.editingFinished.connect(lambda: self._on_typed(id, category, replace(category, name=name.text().strip())))
        key.editingFinished.connect(lambda: self._on_typed(id, category, replace(category, key=key.text().strip())))
        remove.clicked.connect(lambda: self.removed.emit(id))
        return colour, name, key, remove

    def _on_typed(self, id: int, category: Category, changed: Category) -> None:
        if changed != category:
            self.edited.emit(id, changed)

    def _choose_colour(self, id: int, category: Category) -> None:
        colour = QColorDialog.getColor(QColor(category.colour), self, f"Colour of {category.name}")
        if colour.isValid():
            self.edited.emit(id, replace(category, colour=colour.name()))

    def _on_add(self) -> None:
        name = self.name.text().strip()
        if name:
            self.name.clear()
            self.added.emit(name)
