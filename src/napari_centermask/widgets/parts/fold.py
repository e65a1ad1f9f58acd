"""A heading that folds what is under it; folds may lie in one another."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

_ANY_HEIGHT = 16_777_215  # Qt's QWIDGETSIZE_MAX
_LOOK = "text-align: left; border: none; outline: none; background-color: rgba(128, 128, 128, 50); padding: 3px 6px;"


class Fold(QCollapsible):
    """Folded at first.

    superqt's own limits an open fold to the height that its content had when it was opened, or resized: a fold inside it that
    opens later is squeezed. Its icons keep the colour of the theme that they were made in, so the arrow is text. What is folded
    keeps its width, so that a dock does not widen when a fold opens.
    """

    def __init__(self, title: str) -> None:
        nothing = QPixmap(1, 1)  # with PySide6, an empty icon counts as none, which superqt cannot take
        nothing.fill(Qt.GlobalColor.transparent)
        super().__init__(f"▸  {title}", expandedIcon=QIcon(nothing), collapsedIcon=QIcon(nothing))
        self.toggleButton().setIconSize(QSize(0, 0))
        self.title = title
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(3)
        self.toggleButton().setStyleSheet(_LOOK)
        self.toggled.connect(self._on_toggled)

    def addWidget(self, widget: QWidget) -> None:
        """Add a widget to the content, whose height is then its layout's alone."""
        self.content().layout().addWidget(widget)

    def _on_toggled(self, is_open: bool) -> None:
        self.setText(f"{'▾' if is_open else '▸'}  {self.title}")
        self.content().setMaximumHeight(_ANY_HEIGHT if is_open else 0)
