"""What an empty list or table says: what would fill it."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from weakref import WeakMethod

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
        What would fill it and how, or a method that says so; it is asked whenever the rows change. Neither the view nor the
        object of the method is kept alive: widgets in a circle are freed by the garbage collector, in whatever thread that runs.
    """

    def __init__(self, view: QAbstractItemView, text: str | Callable[[], str]) -> None:
        super().__init__(view.viewport())
        self._text: Callable[[], str | Callable[[], str] | None]
        self._text = WeakMethod(text) if isinstance(text, MethodType) else lambda: text
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
        view = self.parentWidget().parentWidget()
        text = self._text()
        is_empty = isinstance(view, QAbstractItemView) and not view.model().rowCount()
        if is_empty:
            self.setText(text if isinstance(text, str) else text() if text is not None else "")
        self.setVisible(is_empty)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.resize(self.parentWidget().size())
        return False
