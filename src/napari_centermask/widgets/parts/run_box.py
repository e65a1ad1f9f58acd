"""Run, Cancel, and the progress of a run: a part of several docks."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_centermask.widgets.parts.layout import StatusLabel, row


class ElidedButton(QPushButton):
    """A button that shortens its text in the middle, so that a long name does not widen the dock."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._whole = text
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def text(self) -> str:
        """The whole text."""
        return self._whole

    def setText(self, text: str | None) -> None:
        """Show a text, as far as there is room."""
        self._whole = text or ""
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the text to the new width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = self.width() - 2 * self.fontMetrics().horizontalAdvance("m")
        super().setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, room))


class RunBox(QWidget):
    """The buttons; during a run a progress bar, and from then on a status line."""

    def __init__(self) -> None:
        super().__init__()
        self.start = ElidedButton("Run")
        self.start.setObjectName("primary")
        self.cancel = QPushButton("Cancel")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.hide()
        self.status = StatusLabel()
        self.status.setMinimumHeight(
            self.status.fontMetrics().height() * 2 + 2
        )  # the rest stays where it is during a run
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(row(self.start, self.cancel))
        layout.addWidget(self.progress)
        layout.addWidget(self.status)

    def show_start(self) -> None:
        """A run has started."""
        self.progress.setRange(0, 0)
        self.progress.show()
        self.status.setText("Starting")

    def show_progress(self, part: float, message: str) -> None:
        """Show progress; the bar is indeterminate until the first tile is done."""
        if part > 0:
            self.progress.setRange(0, 1000)
            self.progress.setValue(round(part * 1000))
        self.progress.show()
        self.status.setText(message)

    def show_end(self) -> None:
        """A run is over."""
        self.progress.setRange(0, 1000)
        self.progress.setValue(0)
        self.progress.hide()
