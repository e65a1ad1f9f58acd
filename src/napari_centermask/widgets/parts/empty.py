"""What an empty list or table says: what would fill it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractItemView, QLabel

_MARGIN = 8  # pixels


class EmptyNote(QLabel):
    """A text over an empty view, which goes when the view has rows.

    Parameters
    ----------
    view
        A list, table or tree.
    text
        What would fill it and how, or a function that says so; it is asked whenever the rows change.
    """

    def __init__(self, view: QAbstractItemView, text: str | Callable[[], str]) -> None:
        super().__init__(view.viewport())
        self._view, self._text = view, text
        self.setObjectName("quiet")
        self.setWordWrap(True)
        self.setMargin(_MARGIN)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        model = view.model()
        for signal in (model.modelReset, model.rowsInserted, model.rowsRemoved, model.layoutChanged):
            signal.connect(self.refresh)
        view.viewport().installEventFilter(self)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Show the text if the view is empty, and hide it if not."""
        is_empty = not self._view.model().rowCount()
        if is_empty:
            self.setText(self._text if isinstance(self._text, str) else self._text())
        self.setVisible(is_empty)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.resize(self._view.viewport().size())
        return False
