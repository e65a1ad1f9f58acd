"""A picture from a file, as wide as its dock; a click opens it enlarged."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QMouseEvent, QPixmap, QResizeEvent
from qtpy.QtWidgets import QDialog, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

LARGEST = 1200
"""Longest side kept in memory, in pixels."""


def read_picture(path: Path) -> QImage | None:
    """Read a picture, reduced if it is very large; None if it cannot be read. For any thread."""
    image = QImage(str(path))
    if image.isNull():
        return None
    if max(image.width(), image.height()) > LARGEST:
        smooth = Qt.TransformationMode.SmoothTransformation
        image = image.scaled(LARGEST, LARGEST, Qt.AspectRatioMode.KeepAspectRatio, smooth)
    return image


class Picture(QLabel):
    """Shows a picture and keeps its aspect ratio when the dock is resized."""

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.hide()

    @property
    def image(self) -> QImage | None:
        """The picture that is shown."""
        return self._image

    def set_image(self, image: QImage | None) -> None:
        """Show a picture, or none."""
        self._image = image
        self.setVisible(image is not None)
        self.setToolTip("Click to enlarge." if image is not None else "")
        self._fit()

    def _fit(self) -> None:
        if self._image is None:
            self.clear()
            return
        smooth = Qt.TransformationMode.SmoothTransformation
        width = max(self.width(), 100)
        self.setPixmap(QPixmap.fromImage(self._image.scaledToWidth(min(width, self._image.width()), smooth)))

    def sizeHint(self) -> QSize:
        """As high as the picture is at the present width."""
        if self._image is None:
            return super().sizeHint()
        width = min(max(self.width(), 100), self._image.width())
        return QSize(width, round(width * self._image.height() / self._image.width()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the dock's width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()
            self.updateGeometry()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Open it enlarged."""
        if self._image is not None:
            show_large(self._image, self)


def show_large(image: QImage, parent: QWidget) -> QDialog:
    """Open a window with the picture in full size."""
    dialog = QDialog(parent)
    dialog.setWindowTitle("CenterMask")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    label = QLabel()
    label.setPixmap(QPixmap.fromImage(image))
    area = QScrollArea()
    area.setWidget(label)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(area)
    dialog.resize(min(image.width() + 20, 1200), min(image.height() + 20, 900))
    dialog.show()
    return dialog
