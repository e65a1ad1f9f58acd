"""A bar in a dock with a message and buttons to answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_centermask.widgets.parts.theme import ON_COLOUR
from napari_centermask.widgets.work.gate import guarded


class MessageBar(QFrame):
    """A message with buttons to answer it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.buttons: list[QPushButton] = []
        self._line = QHBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.text)
        layout.addLayout(self._line)
        self.hide()

    def show_message(
        self, text: str, answers: Sequence[tuple[str, Callable[[], object]]] = (), *, grave: bool = False
    ) -> None:
        """Show a text; each answer is a button that closes the bar and then does something."""
        self.clear()
        self.text.setText(text)
        colour = "#8a2f3a" if grave else "#5c4a1e"
        self.setStyleSheet(
            f"QFrame#message {{ background-color: {colour}; border-radius: 4px; }} QFrame#message QLabel {{ {ON_COLOUR} }}"
        )
        for title, act in answers or [("Close", lambda: None)]:
            button = QPushButton(title)
            button.clicked.connect(guarded(partial(self._answer, act)))
            self._line.addWidget(button)
            self.buttons.append(button)
        self.show()

    def _answer(self, act: Callable[[], object]) -> None:
        self.clear()
        act()

    def clear(self) -> None:
        """Close the bar."""
        for button in self.buttons:
            self._line.removeWidget(button)
            button.deleteLater()
        self.buttons = []
        self.hide()
