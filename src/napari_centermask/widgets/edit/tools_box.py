"""The upper parts of the Correct dock, the cell and the painting; they show its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_centermask.widgets.edit.allowed import CorrectState, why_not
from napari_centermask.widgets.edit.key_names import pretty_key
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.tool_buttons import allow, key_button
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.parts.layout import label, row, titled_form
from napari_centermask.widgets.parts.pickers import hint

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession
    from napari_centermask.widgets.parts.pickers import LayerCombo

_MODES = {
    "overlap": ("Overlap", "Painted pixels are added to the cell; other cells keep theirs."),
    "take over": ("Take over", "Painted pixels are taken from the other cells."),
    "keep out": ("Keep out", "The brush leaves the pixels of other cells alone."),
}


class ActiveBox(QWidget):
    """The image, the active cell, and buttons to go through the cells."""

    wanted = Signal(str)
    category_picked = Signal(int)

    def __init__(self, image: LayerCombo) -> None:
        super().__init__()
        self.cell = QLabel()
        self.cell.setWordWrap(True)
        self.cell.setTextFormat(Qt.TextFormat.RichText)
        self.cell.setMinimumHeight(self.cell.fontMetrics().height() * 2 + 4)
        self.category = QComboBox()
        self.category.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.category.setIconSize(QSize(12, 12))
        self.category.activated.connect(lambda _: self.category_picked.emit(self.category.currentData()))
        form = titled_form(self, "Cell", help="correct")
        form.addRow(label("Layer"), image)
        form.addRow(self.cell)
        form.addRow(label("Category"), self.category)
        self.buttons = {}
        titles = {"previous": "◀", "accept": "Accept", "reject": "Reject", "next": "▶"}
        for name, title in titles.items():
            button = self.buttons[name] = key_button(KEYS.actions[name], title)
            button.clicked.connect(lambda _, name=name: self.wanted.emit(name))
        self.buttons["accept"].setObjectName("primary")
        for name in ("previous", "next"):
            self.buttons[name].setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            self.buttons[name].setMinimumWidth(36)
        form.addRow(row(*self.buttons.values(), stretch=1))

    def show_cell(self, edits: EditSession | None, state: CorrectState) -> None:
        """Describe what is selected."""
        for name, button in self.buttons.items():
            allow(button, KEYS.actions[name], state)
        cell = None if edits is None else edits.cell
        if edits is None:
            text = "This image has no cells yet. Run CenterMask, or draw one with Brush, Polygon or Model box."
        elif cell is None:
            n = edits.result.n_visible(edits.current_plane)
            text = f"<b>No cell selected.</b> {n:,} in this plane: click one, or paint a new one."
        else:
            name = edits.result.categories.get(cell.category, str(cell.category))
            more = f" and {len(edits.selected) - 1:,} more" if len(edits.selected) > 1 else ""
            text = f"<b>Cell {cell.id}</b>{more} · {name} · {cell.status}<br>{cell.area:,} px · score {cell.score:.2f}"
            text += f" · {cell.source}" if cell.source else ""
        self.cell.setText(text)
        self._show_category(edits, state)

    def _show_category(self, edits: EditSession | None, state: CorrectState) -> None:
        categories = {} if edits is None else edits.result.categories
        with QSignalBlocker(self.category):
            self.category.clear()
            for id, name in sorted(categories.items()):
                self.category.addItem(_swatch(id), name, id)
            if edits is not None:
                now = edits.cell.category if edits.cell is not None else edits.category
                self.category.setCurrentIndex(self.category.findData(now))
        reason = why_not(KEYS.actions["category"], state)
        hint(self.category, reason or "The category of the selected cells.", enabled=bool(categories) and not reason)


def _swatch(category: int) -> QIcon:
    pixels = QPixmap(12, 12)
    pixels.fill(QColor.fromRgbF(*map(float, category_colour(category))))
    return QIcon(pixels)


class PaintBox(QWidget):
    """What painting does to other cells; undo and redo by name."""

    wanted = Signal(str)
    mode_picked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.modes = QButtonGroup(self)
        buttons = []
        for mode, (title, _) in _MODES.items():
            button = QPushButton(title)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setProperty("mode", mode)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _, mode=mode: self.mode_picked.emit(mode))
            self.modes.addButton(button)
            buttons.append(button)
        self.undo, self.redo = QPushButton(), QPushButton()
        for name, button in (("undo", self.undo), ("redo", self.redo)):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _, name=name: self.wanted.emit(name))
        form = titled_form(self, "Painting over other cells")
        self.keeps = QCheckBox("Keep the tool for the next cell")
        self.keeps.setToolTip(
            "The tool stays in hand when you go on to another cell. Otherwise, the next click selects; "
            "Control-click keeps it once."
        )
        self.keeps.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        form.addRow(_equal(buttons))
        form.addRow(self.keeps)
        self.redo.setText("Redo")
        self.redo.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        form.addRow(row(self.undo, self.redo))

    def show_state(self, edits: EditSession | None, state: CorrectState) -> None:
        """Show the write mode and what can be undone."""
        mode = "overlap" if edits is None else edits.mode
        refused = why_not(KEYS.actions["mode"], state)
        for button in self.modes.buttons():
            own = button.property("mode")
            button.setChecked(own == mode)
            tip = f"{_MODES[own][1]} {KEYS.key('mode')} switches to the next mode."
            hint(button, refused or tip, enabled=edits is not None and not refused)
        for button, action, name in (
            (self.undo, KEYS.actions["undo"], state.undo_name),
            (self.redo, KEYS.actions["redo"], state.redo_name),
        ):
            text = f"{action.title} {name}" if name else action.title
            if button is self.undo:
                button.setText(_elided(button, text))
            reason = why_not(action, state)
            hint(button, reason or f"{text}. Key: {pretty_key(KEYS.key(action.name))}.", enabled=not reason)


def _equal(buttons: list[QPushButton]) -> QWidget:
    """Buttons side by side, all of one width."""
    holder = row(*buttons)
    layout = holder.layout()
    if isinstance(layout, QBoxLayout):
        for n in range(len(buttons)):
            layout.setStretch(n, 1)
    return holder


def _elided(button: QPushButton, text: str) -> str:
    room = max(button.width() - 16, 180)
    return button.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)
