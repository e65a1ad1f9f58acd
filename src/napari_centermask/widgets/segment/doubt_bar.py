"""The message that a model does not seem to suit an image, with buttons that lead on."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal

from napari_centermask.widgets.parts.message_bar import MessageBar


class DoubtBar(MessageBar):
    """Offers another model, and the way to one of your own.

    Signals: `tried` with the other model, `way_wanted`, and `put_away`.
    """

    tried = Signal(str)
    way_wanted = Signal()
    put_away = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._doubt = ""

    def show_doubt(self, text: str, *, other_model: str) -> None:
        """Show a text, or nothing; the same text is shown once, so that an answer closes it."""
        if text == self._doubt:
            return
        self._doubt = text
        if not text:
            self.clear()
            return
        tries = [(f"Try {other_model}", partial(self.tried.emit, other_model))] if other_model else []
        self.show_message(text, [*tries, ("Draw and fine-tune", self.way_wanted.emit), ("Close", self.put_away.emit)])
