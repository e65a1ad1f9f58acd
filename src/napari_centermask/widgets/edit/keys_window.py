"""A window with all keys at a glance, in which they can be changed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QDialog, QHBoxLayout, QLabel, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from napari_centermask.widgets.edit.key_names import pretty_key
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.keys_box import KeysBox
from napari_centermask.widgets.parts.fold import Fold
from napari_centermask.widgets.parts.theme import CHANGES, ThemedStyle, quiet
from napari_centermask.widgets.work.connections import Connections, single_shot

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession

_COLUMNS = 3
_ONE_OF_MANY = "category_"  # nine actions that differ in a digit: one line
_CANVAS = (
    ("Click", "select; again for the cell below"),
    ("⇧ Click", "select several"),
    ("Ctrl Click", "select with the tool in hand"),
    ("Right click", "menu of the cell"),
    ("Drag", "move the image"),
    ("Wheel", "zoom"),
)
_NAPARI = (
    ("1", "eraser"),
    ("2", "brush"),
    ("3", "polygon"),
    ("4", "bucket"),
    ("[  ]", "smaller, larger brush"),
    ("Space", "hold to move the image"),
)
_MODEL = (
    ("⇧ Click", "this is missing in the draft"),
    ("Right click", "this is too much (or Ctrl Click)"),
    ("Again", "box or click: draw it anew"),
)


def toggle_keys(edits: EditSession) -> None:
    """Show the window of all keys, or close it."""
    window = getattr(edits.session.viewer, "window", None)
    if window is not None:
        show_keys(window._qt_window)


def show_keys(parent: QMainWindow) -> None:
    """Show the window of all keys over a window, or close it."""
    seen = [
        window for window in parent.findChildren(KeysWindow) if window.isVisible()
    ]  # closed ones may still be there
    for window in seen:
        window.close()
    if not seen:
        KeysWindow(parent).show()


class KeysWindow(QDialog):
    """All keys by theme; your work goes on beside it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("All keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._later = single_shot(self, 0, self._show_columns)
        ThemedStyle(self)
        self._columns = [QLabel() for _ in range(_COLUMNS)]
        self.keys = KeysBox()
        change = Fold("Change a key")
        change.addWidget(self.keys)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        side_by_side = QHBoxLayout()
        side_by_side.setSpacing(24)
        for column in self._columns:
            column.setTextFormat(Qt.TextFormat.RichText)
            side_by_side.addWidget(column, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(side_by_side)
        layout.addWidget(change)
        layout.addStretch(1)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        frame = QVBoxLayout(self)
        frame.setContentsMargins(0, 0, 0, 0)
        frame.addWidget(area)
        self._links = Connections(self)
        self._links.add(KEYS.changed, self._show)
        self._show()
        layout.activate()
        wanted, most = layout.minimumSize(), parent.size()
        self.resize(min(wanted.width() + 40, most.width() - 40), min(wanted.height() + 20, most.height() - 60))

    @property
    def text(self) -> str:
        """What the window shows, as rich text."""
        return "".join(column.text() for column in self._columns)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """The key that opened the window closes it, too, if it is a single one."""
        if event is not None and QKeySequence(event.key()).toString() == KEYS.key("keys"):
            self.close()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent | None) -> None:
        """The colour of the headings stands in their text: it is written anew in another theme."""
        super().changeEvent(event)
        if event is not None and event.type() in CHANGES:
            self._later.start()

    def _show(self, *_: object) -> None:
        self._show_columns()
        self.keys.show_keys()

    def _show_columns(self) -> None:
        themes = list(_themes().items())
        n = sum(len(rows) + 2 for _, rows in themes)
        columns: list[str] = []
        filled = 0
        for theme, rows in themes:
            at = min(filled * _COLUMNS // n, _COLUMNS - 1)
            columns += [""] * (at + 1 - len(columns))
            columns[at] += _table(theme, rows, colour=quiet(self.palette()))
            filled += len(rows) + 2
        for column, text in zip(self._columns, columns, strict=False):
            column.setText(text)


def _themes() -> dict[str, tuple[tuple[str, str], ...]]:
    """Keys and what they do, by theme."""
    themes: dict[str, list[tuple[str, str]]] = {}
    for name, action in KEYS.actions.items():
        keys = [pretty_key(key) for key in (KEYS.key(name), *action.also) if key]
        if not name.startswith(_ONE_OF_MANY):
            themes.setdefault(action.group, []).append((" or ".join(keys), action.title))
        elif name == f"{_ONE_OF_MANY}1":
            themes.setdefault(action.group, []).append((f"{keys[0]} …" if keys else "", "Category 1, 2, …"))
    own = {theme: tuple(rows) for theme, rows in themes.items()}
    return {"On the canvas": _CANVAS, "While the model draws": _MODEL, "napari's own tools": _NAPARI, **own}


def _table(theme: str, rows: tuple[tuple[str, str], ...], *, colour: str) -> str:
    cells = "".join(
        f"<tr><td style='padding-right: 12px'><b>{escape(key) or '–'}</b></td><td>{escape(title)}</td></tr>"
        for key, title in rows
    )
    return f"<p style='margin: 8px 0 2px 0; color: {colour}'>{escape(theme)}</p><table>{cells}</table>"
