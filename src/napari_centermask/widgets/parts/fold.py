"""A heading that folds what is under it; folds may lie in one another."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

_ANY_HEIGHT = 16_777_215  # Qt's QWIDGETSIZE_MAX, which qtpy does not offer


class Fold(QCollapsible):
    """Folded at first.

    superqt's own limits an open fold to the height that its content had when it was opened, or resized: a fold inside it that
    opens later is squeezed. What is folded keeps its width, so that a dock does not widen when a fold opens.
    """

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggled.connect(self._free)

    def addWidget(self, widget: QWidget) -> None:
        """Add a widget to the content, whose height is then its layout's alone."""
        self.content().layout().addWidget(widget)

    def _free(self, is_open: bool) -> None:
        self.content().setMaximumHeight(_ANY_HEIGHT if is_open else 0)
