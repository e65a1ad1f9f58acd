"""The parts of the dock that corrects cells; they know how they look, and decide nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
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

from napari_centermask.widgets.edit.keys import KEYS, Action, pretty_key
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.parts.layout import label, row, titled_form

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession
    from napari_centermask.widgets.parts.pickers import LayerCombo

_COLUMNS = 3
_ORDER = ("New", "Model", "Missed", "Cell", "Split", "Shape", "Overlap")
_APART = {"previous", "next", "accept", "reject", "undo", "redo", "escape", "mode", "category", "cycle"}
_MODES = {
    "overlap": ("Overlap", "Painted pixels are added to the cell; other cells keep theirs."),
    "take over": ("Take over", "Painted pixels are taken from the other cells."),
    "keep out": ("Keep out", "The brush leaves the pixels of other cells alone."),
}
_HELP = """
<p><b>Correct cells</b></p>
<ol>
<li>Click a cell: it is lifted into the layer "active cell". Click again for the one below, Shift-click for several.</li>
<li>Paint with napari's own tools: 2 brush, 1 eraser, 3 polygon, 4 bucket, [ and ] its size. Only this cell
changes, whatever lies over or under it. Control-click takes another cell without putting the brush away.</li>
<li>Or use the tools below, by button or key. Each step can be undone, without limit.</li>
<li>Write mode says what painting does to the pixels of other cells.</li>
</ol>
<p>Esc goes one step back: out of a drawing, a brush, a selection.</p>
"""


def tool_button(action: Action, *, title: str = "") -> QPushButton:
    """A button with its key; it leaves the keyboard to the canvas."""
    key = pretty_key(KEYS.key(action.name))
    title = title or action.title.partition(": ")[2].capitalize() or action.title
    button = QPushButton(f"{title}  {key}" if key else title)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    button.setMinimumWidth(60)
    return button


class ActiveBox(QWidget):
    """Which image and which cell, and the way through the cells."""

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
        form = titled_form(self, "Cell", help=_HELP)
        form.addRow(label("Layer"), image)
        form.addRow(self.cell)
        form.addRow(label("Category"), self.category)
        self.buttons = {}
        titles = {"previous": "◀", "accept": "Accept", "reject": "Reject", "next": "▶"}
        for name, title in titles.items():
            button = self.buttons[name] = tool_button(KEYS.actions[name], title=title)
            button.clicked.connect(lambda _, name=name: self.wanted.emit(name))
            button.setToolTip(f"{KEYS.actions[name].tip} Key: {KEYS.key(name) or 'none'}.")
        self.buttons["accept"].setObjectName("primary")
        for name in ("previous", "next"):
            self.buttons[name].setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        form.addRow(row(*self.buttons.values(), stretch=1))

    def show_cell(self, edits: EditSession | None) -> None:
        """Describe what is selected."""
        cell = None if edits is None else edits.cell
        if edits is None:
            text = "This image has no cells yet: run CenterMask, or make one under New."
        elif cell is None:
            text = f"<b>No cell selected.</b> Click one of {edits.result.n_visible(edits.current_plane):,}, or paint a new one."
        else:
            name = edits.result.categories.get(cell.category, str(cell.category))
            more = f" and {len(edits.selected) - 1:,} more" if len(edits.selected) > 1 else ""
            text = f"<b>Cell {cell.id}</b>{more} · {name} · {cell.status}<br>{cell.area:,} px · score {cell.score:.2f}"
            text += f" · {cell.source}" if cell.source else ""
        self.cell.setText(text)
        self._show_category(edits)

    def _show_category(self, edits: EditSession | None) -> None:
        categories = {} if edits is None else edits.result.categories
        with QSignalBlocker(self.category):
            self.category.clear()
            for id, name in sorted(categories.items()):
                self.category.addItem(_swatch(id), name, id)
            if edits is not None:
                now = edits.cell.category if edits.cell is not None else edits.category
                self.category.setCurrentIndex(self.category.findData(now))
        self.category.setEnabled(bool(categories))


def _swatch(category: int) -> QIcon:
    pixels = QPixmap(12, 12)
    pixels.fill(QColor.fromRgbF(*map(float, category_colour(category))))
    return QIcon(pixels)


class PaintBox(QWidget):
    """What painting does to other cells, and undo and redo by name."""

    wanted = Signal(str)
    mode_picked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.modes = QButtonGroup(self)
        buttons = []
        for mode, (title, tip) in _MODES.items():
            button = QPushButton(title)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setToolTip(f"{tip} Key: {KEYS.key('mode')} goes on to the next.")
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
        form.addRow(_equal(buttons))
        form.addRow(_equal([self.undo, self.redo]))

    def show_state(self, edits: EditSession | None) -> None:
        """Show the write mode and what can be undone."""
        mode = "overlap" if edits is None else edits.mode
        for button in self.modes.buttons():
            button.setChecked(button.property("mode") == mode)
            button.setEnabled(edits is not None)
        history = None if edits is None else edits.history
        for button, word, name in (
            (self.undo, "Undo", history and history.undo_name),
            (self.redo, "Redo", history and history.redo_name),
        ):
            text = f"{word} {name}" if name else word
            button.setText(_elided(button, text))
            key = pretty_key(KEYS.key(word.lower()))
            button.setToolTip(f"{text}. Key: {key}." if name else f"There is nothing to {word.lower()}.")
            button.setEnabled(bool(name))


def _equal(buttons: list[QPushButton]) -> QWidget:
    """Buttons side by side, all of one width."""
    holder = row(*buttons)
    for n in range(len(buttons)):
        holder.layout().setStretch(n, 1)
    return holder


def _elided(button: QPushButton, text: str) -> str:
    room = max(button.width() - 16, 110)
    return button.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room)


class ToolsBox(QWidget):
    """All tools of the table of actions, in groups by the first word of their titles."""

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        self.amount = QDoubleSpinBox()
        self.amount.setRange(0.5, 100)
        self.amount.setSingleStep(0.5)
        self.amount.setDecimals(1)
        self.amount.setValue(1.0)
        self.amount.setToolTip("n: by how much Grow, Shrink and Smooth work.")
        self.crumbs = QSpinBox()
        self.crumbs.setRange(1, 1_000_000)
        self.crumbs.setValue(20)
        self.crumbs.setToolTip("Parts of fewer pixels are crumbs; the largest part of a cell always stays.")
        form = titled_form(self, "Tools")
        self._holder = QWidget()
        self._layout = QVBoxLayout(self._holder)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)
        self._grid: QWidget | None = None
        form.addRow(self._holder)
        form.addRow(label("n, pixels"), row(self.amount, QLabel("Crumbs under"), self.crumbs))
        self.build()

    def build(self) -> None:
        """Make the buttons of all actions anew."""
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
                grid.addWidget(self._button(action), line + 1 + n // _COLUMNS, n % _COLUMNS)
            line += 1 + (len(actions) + _COLUMNS - 1) // _COLUMNS
        for column in range(_COLUMNS):
            grid.setColumnStretch(column, 1)
        self._layout.addWidget(self._grid)

    def _groups(self) -> dict[str, list[Action]]:
        groups: dict[str, list[Action]] = {}
        for action in KEYS.actions.values():
            if action.name not in _APART and not action.name.startswith("category_"):
                group = action.title.partition(": ")[0] if ": " in action.title else "More"
                groups.setdefault(group, []).append(action)
        known = {name: groups[name] for name in _ORDER if name in groups}
        return known | groups

    def _button(self, action: Action) -> QPushButton:
        button = self.buttons[action.name] = tool_button(action)
        button.clicked.connect(lambda _, name=action.name: self.wanted.emit(name))
        return button

    def enable(self, n_selected: int) -> None:
        """Enable what can work on so many cells and say why the rest cannot."""
        for name, button in self.buttons.items():
            action = KEYS.actions[name]
            button.setEnabled(n_selected >= action.needs)
            why = "" if n_selected >= action.needs else " Select a cell first."
            if action.needs > 1 and why:
                why = f" Select {action.needs} cells or more: Shift-click adds one."
            key = pretty_key(KEYS.key(name))
            button.setToolTip(f"{action.tip}{why} Key: {key or 'none'}.")
