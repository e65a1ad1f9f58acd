"""How to begin in a dock: a hint that is shown until a person puts it away, for good."""

from __future__ import annotations

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_centermask.widgets.parts.put_away import PUT_AWAY
from napari_centermask.widgets.work.gate import guarded

_STYLE = "QFrame#hint { border: 1px solid #2f6fde; border-radius: 4px; }"


class FirstHint(QFrame):
    """A few sentences on how to begin, with a button that puts them away, and one for those of all docks.

    Parameters
    ----------
    name
        What the hint belongs to, such as the title of a dock; it is put away under this name.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self.name = name
        self.setObjectName("hint")
        self.setStyleSheet(_STYLE)
        self.text = QLabel(text)
        self.text.setWordWrap(True)
        self.done, self.none = QPushButton("Got it"), QPushButton("Hide all hints")
        self.done.setToolTip("Do not show this hint again.")
        self.none.setToolTip("Do not show hints in any dock. The window behind ? brings them back.")
        self.done.clicked.connect(guarded(self._on_done))
        self.none.clicked.connect(guarded(self._on_none))
        line = QHBoxLayout()
        line.addWidget(self.done)
        line.addWidget(self.none)
        line.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.text)
        layout.addLayout(line)
        if name in PUT_AWAY:
            self.hide()

    def refresh(self) -> None:
        """Show the hint unless it is put away."""
        self.setVisible(self.name not in PUT_AWAY)

    def _on_done(self) -> None:
        self.hide()  # also if the file cannot be written
        PUT_AWAY.put_away(self.name)

    def _on_none(self) -> None:
        self.hide()
        PUT_AWAY.put_away()
