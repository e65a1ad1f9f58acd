"""The parts of the review dock; they show its state."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Box
from napari_centermask.core.review import ReviewCount
from napari_centermask.widgets.edit.cell_table import CellTable
from napari_centermask.widgets.parts.empty import EmptyNote
from napari_centermask.widgets.parts.layout import row
from napari_centermask.widgets.parts.pickers import hint

_FILTER_HELP = (
    "Conditions separated by spaces; a cell must meet all: score<0.6  overlap>20%  quality<0.7  area>500  solidity<0.85, "
    "a status, a category, a source, or the number of a cell."
)


TIPS = {
    "previous": "Go back to the previous uncertain cell.",
    "next": "Go to the next uncertain cell.",
    "accept": "The selected cell is right. Go to the next uncertain one.",
    "reject": "The selected cell is not a cell. Go to the next uncertain one.",
    "view": "Everything on the canvas is right and complete; its cells are accepted.",
    "draw": "Drag a rectangle in which everything is right and complete. Esc cancels.",
    "whole": "The whole plane is right and complete.",
    "remove": "Remove the selected rectangle. Its cells stay as they are.",
    "check": "Find empty, tiny, duplicate and self-touching cells, and cells that are not reviewed.",
}
"""What the buttons do, by name."""


class JudgeBox(QWidget):
    """Progress, why the active cell is uncertain, and the buttons of the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.why = QLabel()
        self.why.setObjectName("quiet")
        self.why.setWordWrap(True)
        self.why.setMinimumHeight(self.why.fontMetrics().height() * 2 + 2)
        self.why.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.first = QComboBox()
        self.first.addItem("Uncertain first", "doubt")
        self.first.addItem("Most useful for training first", "training_value")
        self.first.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.first.setMinimumContentsLength(9)
        self.first.setToolTip(
            "Where ▶ goes first: to cells that are probably wrong, or to those that help fine-tuning most."
        )
        self.previous, self.next = QPushButton("◀"), QPushButton("▶")
        self.accept, self.reject = QPushButton("Accept, next"), QPushButton("Reject, next")
        self.accept.setObjectName("primary")
        self.buttons = {"previous": self.previous, "next": self.next, "accept": self.accept, "reject": self.reject}
        for button in (self.previous, self.next):
            button.setFixedWidth(30)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(_line(self.count, self.first, wide=(0,)))
        layout.addWidget(self.bar)
        layout.addWidget(_line(self.previous, self.accept, self.reject, self.next, wide=(1, 2)))
        layout.addWidget(self.why)

    def show_progress(self, progress: ReviewCount | None) -> None:
        """Show the progress of the review; None if there are no cells."""
        if progress is None or not progress.total:
            self.count.setText("No cells yet.")
            self.bar.setRange(0, 1)
            self.bar.setValue(0)
            return
        done = " All cells are reviewed." if progress.done == progress.total else ""
        self.count.setText(f"<b>{progress}</b>.{done}")
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)

    def show_cell(self, id: int | None, why: str) -> None:
        """Show the active cell and why it is uncertain."""
        if id is None:
            self.why.setText("Press ▶ to start with the first cell.")
        else:
            self.why.setText(f"Cell {id}: {why or 'nothing suspicious'}.")


class TableBox(QWidget):
    """The table with its filter."""

    filtered = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.table = CellTable()
        self.text = QLineEdit()
        self.text.setPlaceholderText("Filter: score<0.6 overlap>20% predicted")
        self.text.setClearButtonEnabled(True)
        self.text.setToolTip(_FILTER_HELP)
        self.text.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.here = QCheckBox("This plane")
        self.here.setToolTip("List only the cells of this plane.")
        self.problem = QLabel()
        self.problem.setObjectName("quiet")
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.listed = QLabel()
        self.listed.setObjectName("quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row(self.text, self.here))
        layout.addWidget(self.problem)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.listed)
        self.text.textChanged.connect(lambda _: self.filtered.emit())
        self.here.toggled.connect(lambda _: self.filtered.emit())
        self.text.returnPressed.connect(self.text.clearFocus)
        self.table.picked.connect(lambda _: self.text.clearFocus())
        self.table.cells.modelReset.connect(self._count)
        EmptyNote(self.table, self._what_is_missing)

    def apply(self, plane: tuple[int, ...]) -> None:
        """Apply the filter; an error is shown below, and the rows stay."""
        try:
            self.table.cells.set_filter(self.text.text(), plane=plane if self.here.isChecked() else None)
            self.problem.hide()
        except BadSettings as error:
            self.problem.setText(str(error))
            self.problem.show()

    def _what_is_missing(self) -> str:
        columns = self.table.cells.columns
        if columns is None or not len(columns.data):
            return "No cells yet. Segment the image, open a file with its cells, or draw some in the Correct dock."
        return "No cell of this plane matches." if self.here.isChecked() else "No cell matches the filter."

    def _count(self) -> None:
        n = self.table.cells.rowCount()
        self.listed.setText(f"{counted(n, 'cell')} listed")


class RegionsBox(QWidget):
    """The reviewed rectangles of the current plane."""

    removed = Signal(tuple)
    looked_at = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        about = QLabel(
            "Mark where every cell is right and none is missing. "
            "Training treats everything else in these rectangles as background."
        )
        about.setObjectName("quiet")
        about.setWordWrap(True)
        self.view, self.draw, self.whole = QPushButton("Current view"), QPushButton("Draw"), QPushButton("Whole plane")
        self.buttons = {"view": self.view, "draw": self.draw, "whole": self.whole}
        self.list = QListWidget()
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        EmptyNote(self.list, "No region of this plane is reviewed yet. Mark one with the buttons above.")
        self.remove = QPushButton("Remove")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(about)
        layout.addWidget(_line(self.view, self.draw, self.whole, wide=(0, 1, 2)))
        layout.addWidget(self.list, 1)
        layout.addWidget(self.remove)
        self.list.currentItemChanged.connect(self._show_remove)
        self.list.itemClicked.connect(lambda _: self.looked_at.emit(self.chosen))
        self.remove.clicked.connect(lambda: self.removed.emit(self.chosen))
        self._refused = ""
        self.show_boxes((), (1, 1))

    @property
    def chosen(self) -> Box | None:
        """The rectangle chosen in the list."""
        item = self.list.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def show_boxes(self, boxes: tuple[Box, ...], shape: tuple[int, int], *, refused: str = "") -> None:
        """List these rectangles of a plane of this shape; `refused` says why none can be removed."""
        self._refused = refused
        self.list.clear()
        for box in boxes:
            y0, x0, y1, x1 = box
            part = (y1 - y0) * (x1 - x0) / (shape[0] * shape[1])
            size = "the whole plane" if part == 1 else f"{x1 - x0:,} x {y1 - y0:,} at ({y0:,}, {x0:,}), {part:.0%}"
            item = QListWidgetItem(size)
            item.setData(Qt.ItemDataRole.UserRole, box)
            self.list.addItem(item)
        self._show_remove()

    def _show_remove(self, *_: object) -> None:
        reason = self._refused or ("" if self.chosen is not None else "Select a rectangle in the list.")
        hint(self.remove, reason or TIPS["remove"], enabled=not reason)


def _line(*widgets: QWidget, wide: tuple[int, ...]) -> QWidget:
    """Widgets side by side; those numbered in `wide` share the remaining space."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, int(number in wide))
    return holder
