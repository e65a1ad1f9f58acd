"""The parts of the Correct dock; they show its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.widgets.edit.allowed import CorrectState, why_not
from napari_centermask.widgets.edit.key_names import pretty_key
from napari_centermask.widgets.edit.keys import KEYS, Action
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.parts.layout import label, row, titled_form
from napari_centermask.widgets.parts.pickers import hint

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession
    from napari_centermask.widgets.parts.pickers import LayerCombo

_COLUMNS = 3  # of buttons, as many as `WIDTH` has room for
_ORDER = ("New", "Model", "Candidates", "Cell", "Split", "Shape", "Overlap")
_MODES = {
    "overlap": ("Overlap", "Painted pixels are added to the cell; other cells keep theirs."),
    "take over": ("Take over", "Painted pixels are taken from the other cells."),
    "keep out": ("Keep out", "The brush leaves the pixels of other cells alone."),
}


def _button(action: Action, label: str) -> QPushButton:
    """A button with its key; the canvas keeps the keyboard focus."""
    key = pretty_key(KEYS.key(action.name))
    button = QPushButton(f"{label}  {key}" if key else label)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    button.setMinimumWidth(60)
    return button


def _press(button: QPushButton, is_pressed: bool) -> None:
    """Show whether its tool is in hand; it is only checkable then, so that a click does not press it."""
    if is_pressed:
        button.setCheckable(True)
    button.setChecked(is_pressed)
    if not is_pressed:
        button.setCheckable(False)  # last: Qt does not redraw a checked button that stops being checkable


def _allow(button: QPushButton, action: Action, state: CorrectState) -> None:
    """Enable a button if its action is possible; else its tooltip says why it is not."""
    reason = why_not(action, state)
    key = pretty_key(KEYS.key(action.name)) or "none"
    hint(button, f"{action.tip} {reason} Key: {key}." if reason else f"{action.tip} Key: {key}.", enabled=not reason)


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
            button = self.buttons[name] = _button(KEYS.actions[name], title)
            button.clicked.connect(lambda _, name=name: self.wanted.emit(name))
        self.buttons["accept"].setObjectName("primary")
        for name in ("previous", "next"):
            self.buttons[name].setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        form.addRow(row(*self.buttons.values(), stretch=1))

    def show_cell(self, edits: EditSession | None, state: CorrectState) -> None:
        """Describe what is selected."""
        for name, button in self.buttons.items():
            _allow(button, KEYS.actions[name], state)
        cell = None if edits is None else edits.cell
        if edits is None:
            text = "This image has no cells yet. Run CenterMask, or draw one with the buttons under New."
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
        form.addRow(_equal([self.undo, self.redo]))

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
    room = max(button.width() - 16, 110)
    return button.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)


class ToolsBox(QWidget):
    """A button for each action of a group, under the group's heading."""

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        self.amount = QDoubleSpinBox()
        self.amount.setRange(0.5, 100)
        self.amount.setSingleStep(0.5)
        self.amount.setDecimals(1)
        self.amount.setValue(1.0)
        self.amount.setToolTip("Pixels by which Grow, Shrink and Smooth change the cell.")
        self.debris = QSpinBox()
        self.debris.setRange(1, 1_000_000)
        self.debris.setValue(20)
        self.debris.setToolTip(
            "Debris: parts of a cell with fewer pixels, which the tool removes. The largest part always stays."
        )
        form = titled_form(self, "Tools")
        self._holder = QWidget()
        self._layout = QVBoxLayout(self._holder)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)
        self._grid: QWidget | None = None
        form.addRow(self._holder)
        form.addRow(label("n, pixels"), row(self.amount, QLabel("Debris below"), self.debris))
        self.build()

    def build(self) -> None:
        """Make the buttons of all actions again."""
        if self._grid is not None:
            self._layout.removeWidget(self._grid)
            self._grid.hide()
            self._grid.deleteLater()
        self._grid, self.buttons = QWidget(), {}
        grid = QGridLayout(self._grid)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        line = 0
        for group, actions in self._groups().items():
            heading = QLabel(group)
            heading.setObjectName("quiet")
            grid.addWidget(heading, line, 0, 1, _COLUMNS)
            for n, action in enumerate(actions):
                grid.addWidget(self._tool(action), line + 1 + n // _COLUMNS, n % _COLUMNS)
            line += 1 + (len(actions) + _COLUMNS - 1) // _COLUMNS
        for column in range(_COLUMNS):
            grid.setColumnStretch(column, 1)
        self._layout.addWidget(self._grid)

    @staticmethod
    def _groups() -> dict[str, list[Action]]:
        groups: dict[str, list[Action]] = {name: [] for name in _ORDER}
        for action in KEYS.actions.values():
            if action.group:
                groups.setdefault(action.group, []).append(action)
        return groups

    def _tool(self, action: Action) -> QPushButton:
        button = self.buttons[action.name] = _button(action, action.label)
        button.clicked.connect(lambda _, name=action.name: self.wanted.emit(name))
        return button

    def show_state(self, state: CorrectState) -> None:
        """Enable the possible actions, and press the one in hand; the tooltips of others say why they are disabled."""
        for name, button in self.buttons.items():
            _allow(button, KEYS.actions[name], state)
            _press(button, name == state.in_hand)
