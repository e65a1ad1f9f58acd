"""The buttons of the tools: those used most, and the others folded by theme."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QPushButton, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from napari_centermask.widgets.edit.allowed import CorrectState, why_not
from napari_centermask.widgets.edit.key_names import pretty_key
from napari_centermask.widgets.edit.keys import KEYS, Action
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.layout import label, row, titled_form
from napari_centermask.widgets.parts.pickers import hint

_COLUMNS = 3  # of buttons, as many as a dock has room for
USUAL = (
    *("new_brush", "new_polygon", "delete"),
    *("prompt_box", "prompt_click", "prompt_redraw"),
    *("split_line", "split_seeds", "split_auto"),
    *("merge", "fill_holes", "keys"),
)
"""What is used most, row by row; the others are folded."""
_AMOUNT_THEME = "Shape"  # whose tools take a number of pixels


def key_button(action: Action, label: str) -> QPushButton:
    """A button with its key; the canvas keeps the keyboard focus."""
    key = pretty_key(KEYS.key(action.name))
    button = QPushButton(f"{label} {key}" if key else label)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    button.setStyleSheet("QPushButton { padding: 3px 1px; }")  # less than napari's, for three in a row
    return button


def allow(button: QPushButton, action: Action, state: CorrectState) -> None:
    """Enable a button if its action is possible; else its tooltip says why it is not."""
    reason = why_not(action, state)
    key = pretty_key(KEYS.key(action.name)) or "none"
    hint(button, f"{action.tip} {reason} Key: {key}." if reason else f"{action.tip} Key: {key}.", enabled=not reason)


def _press(button: QPushButton, is_pressed: bool) -> None:
    """Show whether its tool is in hand; it is only checkable then, so that a click does not press it."""
    if is_pressed:
        button.setCheckable(True)
    button.setChecked(is_pressed)
    if not is_pressed:
        button.setCheckable(False)  # last: Qt does not redraw a checked button that stops being checkable


class ToolsBox(QWidget):
    """A button for each action that has one.

    Attributes
    ----------
    folds
        The themes that are folded, by name.
    amount, debris
        Pixels by which shapes change, and below which a part is debris.
    """

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
        form.setVerticalSpacing(4)
        self._usual = _Grid()
        form.addRow(self._usual)
        self._grids: dict[str, _Grid] = {}
        self.folds = {theme: Fold(theme) for theme in dict.fromkeys(action.group for action in _folded())}
        for theme, fold in self.folds.items():
            self._grids[theme] = _Grid()
            fold.addWidget(self._grids[theme])
            form.addRow(fold)
        for text, field in (("n, pixels", self.amount), ("Debris below", self.debris)):
            self.folds[_AMOUNT_THEME].addWidget(row(label(text), field, stretch=1))
        self.build()

    def build(self) -> None:
        """Make the buttons of all actions again."""
        self.buttons = {}
        self._usual.fill(self._button(a, a.label) for a in map(KEYS.actions.__getitem__, USUAL))
        for theme, grid in self._grids.items():
            grid.fill(self._button(a, a.label) for a in _folded() if a.group == theme)

    def _button(self, action: Action, text: str) -> QPushButton:
        button = self.buttons[action.name] = key_button(action, text)
        button.clicked.connect(lambda _, name=action.name: self.wanted.emit(name))
        return button

    def show_state(self, state: CorrectState) -> None:
        """Enable the possible actions, and press the one in hand; the tooltips of others say why they are disabled."""
        for name, button in self.buttons.items():
            allow(button, KEYS.actions[name], state)
            _press(button, name == state.in_hand)


def _folded() -> list[Action]:
    return [action for action in KEYS.actions.values() if action.label and action.name not in USUAL]


class _Grid(QWidget):
    """Buttons in rows, which can be made again."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._inside: QWidget | None = None

    def fill(self, buttons: Iterable[QPushButton]) -> None:
        """Show these buttons instead of those before."""
        if self._inside is not None:
            self._layout.removeWidget(self._inside)
            self._inside.hide()
            self._inside.deleteLater()
        self._inside = QWidget()
        grid = QGridLayout(self._inside)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for n, button in enumerate(buttons):
            grid.addWidget(button, n // _COLUMNS, n % _COLUMNS)
        for column in range(_COLUMNS):
            grid.setColumnStretch(column, 1)
        self._layout.addWidget(self._inside)
