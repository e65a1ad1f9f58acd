"""The list of actions, in which their keys can be changed."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_centermask.widgets.edit.key_names import napari_name, pretty_key
from napari_centermask.widgets.edit.keys import KEYS, BadKey
from napari_centermask.widgets.parts.layout import row
from napari_centermask.widgets.parts.theme import readable

_ROWS = 12  # of the list that are seen without scrolling: a choice


class KeysBox(QWidget):
    """A list of all actions with their keys; a double click changes a key."""

    def __init__(self) -> None:
        super().__init__()
        self.list = QTreeWidget()
        self.list.setColumnCount(2)
        self.list.setHeaderLabels(["Action", "Key"])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.list.setMinimumHeight(self.list.fontMetrics().height() * _ROWS * 3 // 2)
        self.note = QLabel("Double-click a row and press the new key; Backspace removes the key.")
        self.note.setObjectName("quiet")
        self.note.setWordWrap(True)
        self.reset = QPushButton("Restore default keys")
        self.reset.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.reset.clicked.connect(KEYS.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.note)
        layout.addWidget(self.list)
        layout.addWidget(row(QLabel(), self.reset))
        self._editor: QKeySequenceEdit | None = None
        self.list.itemDoubleClicked.connect(lambda item, _: self.edit(item.data(0, Qt.ItemDataRole.UserRole)))
        self.show_keys()

    def show_keys(self) -> None:
        """Fill the list."""
        self._editor = None
        self.list.clear()
        for name, action in KEYS.actions.items():
            also = "".join(f", {pretty_key(k)}" for k in action.also)
            item = QTreeWidgetItem([action.title, pretty_key(KEYS.key(name)) + also])
            item.setData(0, Qt.ItemDataRole.UserRole, name)
            item.setToolTip(0, action.tip)
            self.list.addTopLevelItem(item)

    def edit(self, name: str) -> None:
        """Ask for another key of an action, in its row."""
        item = next(i for i in self._items() if i.data(0, Qt.ItemDataRole.UserRole) == name)
        self._editor = QKeySequenceEdit()
        self._editor.setProperty("action", name)
        self.list.setItemWidget(item, 1, self._editor)
        self._editor.keySequenceChanged.connect(self._on_sequence)
        self._editor.setFocus()

    def _items(self) -> list[QTreeWidgetItem]:
        return [self.list.topLevelItem(i) for i in range(self.list.topLevelItemCount())]

    def _on_sequence(self, sequence: QKeySequence) -> None:
        name, editor = self._editor.property("action"), self._editor
        if sequence.isEmpty():
            return
        self._editor = None
        editor.blockSignals(True)
        key = napari_name(sequence.toString(QKeySequence.SequenceFormat.PortableText).partition(", ")[0])
        self.change(name, "" if key == "Backspace" else key)

    def change(self, name: str, key: str) -> None:
        """Give an action another key, or show why it cannot be used."""
        try:
            KEYS.set_key(name, key)
        except BadKey as error:
            colour = readable(QColor("#ff9f5a"), self.note.palette()).name()
            self.note.setText(f'<span style="color: {colour}">{error}</span>')
        else:
            self.note.setText(f"{KEYS.actions[name].title}: {pretty_key(key) or 'no key'}. Saved.")
        self.show_keys()
