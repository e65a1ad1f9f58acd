"""The list of a project's images: thumbnail, name, status."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QModelIndex, QPoint, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from napari_centermask.widgets.parts.empty import EmptyNote
from napari_centermask.widgets.parts.theme import readable

if TYPE_CHECKING:
    from superqt.utils import GeneratorWorker

    from napari_centermask.io.project import Project, ProjectImage

COLOURS = {"untouched": "#8a93a0", "predicted": "#4cc9f0", "in work": "#ffd166", "reviewed": "#7bd389"}
SIDE = 56  # pixels of a thumbnail: a choice, ten lines of the list on a small screen
_LARGEST = 400 * 2**20  # bytes; larger files get no picture
_ID, _STATUS, _PICTURE, _PROBLEM, _LOADING = (Qt.ItemDataRole.UserRole + k for k in range(5))


class _ImageDelegate(QStyledItemDelegate):
    """Draws the thumbnail, the name, and the status with a dot of its colour."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(160, SIDE + 8)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        painter.save()
        rect, palette = option.rect, option.palette
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(47, 111, 222, 150))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(128, 128, 128, 40))
        self._paint_picture(painter, QRect(rect.left() + 4, rect.top() + 4, SIDE, SIDE), index.data(_PICTURE))
        left, width = rect.left() + SIDE + 14, rect.width() - SIDE - 20
        metrics = painter.fontMetrics()
        painter.setPen(palette.text().color())
        name = metrics.elidedText(index.data(), Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(left, rect.top() + 8 + metrics.ascent(), name)
        status, problem = index.data(_STATUS), index.data(_PROBLEM)
        middle = rect.top() + 14 + metrics.height() + metrics.ascent()
        colour = QColor("#ef6f6c" if problem else COLOURS[status])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(colour)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(left, middle - 9, 9, 9)
        painter.setPen(readable(colour, palette))
        text = "opening…" if index.data(_LOADING) else "cannot be used" if problem else status
        painter.drawText(left + 15, middle, text)
        painter.restore()

    @staticmethod
    def _paint_picture(painter: QPainter, room: QRect, picture: QPixmap | None) -> None:
        painter.fillRect(room, QColor(0, 0, 0, 90))
        if picture is not None:
            size = picture.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
            at = QRect(room.topLeft(), size)
            at.moveCenter(room.center())
            painter.drawPixmap(at, picture)


class ImageList(QListWidget):
    """The images of a project. The canvas keeps all keys.

    Attributes
    ----------
    picked
        Emitted with the id of the image that was clicked.
    selection
        Emitted with the ids of the images that are selected; Ctrl or Shift selects several.
    unwanted
        Emitted with the id of the image to remove from the project, from the context menu.
    """

    picked = Signal(int)
    selection = Signal(tuple)
    unwanted = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setItemDelegate(_ImageDelegate(self))
        EmptyNote(
            self, "No images yet. Open a folder of images, add some, or try it with the sample images or the tutorial."
        )
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._items: dict[int, QListWidgetItem] = {}
        self._worker: GeneratorWorker[tuple[int, np.ndarray], object, object] | None = None
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.itemClicked.connect(self._on_clicked)
        self.itemSelectionChanged.connect(lambda: self.selection.emit(self.selected()))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu)

    def selected(self) -> tuple[int, ...]:
        """Ids of the selected images."""
        return tuple(item.data(_ID) for item in self.selectedItems())

    def _on_clicked(self, item: QListWidgetItem) -> None:
        if len(self.selectedItems()) <= 1:  # with Ctrl or Shift, images are selected, and the current one stays in view
            self.picked.emit(item.data(_ID))

    def menu(self, id: int) -> QMenu:
        """The context menu of an image."""
        menu = QMenu(self)
        menu.addAction("Remove from the project…").triggered.connect(lambda: self.unwanted.emit(id))
        return menu

    def _on_menu(self, at: QPoint) -> None:
        item = self.itemAt(at)
        if item is not None:
            self.menu(item.data(_ID)).exec(self.viewport().mapToGlobal(at))

    def set_images(self, images: Sequence[ProjectImage]) -> None:
        """List these images; the thumbnails of those listed before stay, and several that are selected."""
        selected = self.selected()
        pictures = {id: item.data(_PICTURE) for id, item in self._items.items()}
        self.clear()
        self._items = {}
        for image in images:
            item = QListWidgetItem(image.file_name)
            item.setData(_ID, image.id)
            item.setData(_PICTURE, pictures.get(image.id))
            self.addItem(item)
            self._items[image.id] = item
            self.update_image(image)
            item.setSelected(len(selected) > 1 and image.id in selected)

    def update_image(self, image: ProjectImage) -> None:
        """Update an image's status."""
        item = self._items[image.id]
        item.setData(_STATUS, image.status)
        item.setData(_PROBLEM, image.problem)
        size = " x ".join(map(str, (*image.leading, *(image.shape or ()))))
        item.setToolTip(image.problem or f"{image.path}\n{size} pixels, {image.status}. Right click for more.")

    def set_picture(self, id: int, picture: QPixmap) -> None:
        """Show a thumbnail."""
        if id in self._items:
            self._items[id].setData(_PICTURE, picture)

    def without_picture(self) -> list[int]:
        """Ids of the images that have no thumbnail yet."""
        return [id for id, item in self._items.items() if item.data(_PICTURE) is None]

    def load_pictures(self, project: Project) -> None:
        """Make missing thumbnails, off the GUI thread."""
        from napari.qt.threading import create_worker

        self.stop_pictures()
        missing = [project.image(id) for id in self.without_picture()]
        wanted = [(image.id, image.path) for image in missing if not image.problem]
        if not wanted:
            return
        self._worker = create_worker(thumbnails, wanted, _start_thread=False)
        self._worker.yielded.connect(lambda item: self.set_picture(item[0], pixmap(item[1])))
        self._worker.start()

    def stop_pictures(self) -> None:
        """Stop making thumbnails."""
        if self._worker is not None:
            self._worker.yielded.disconnect()
            self._worker.quit()
            self._worker = None

    def show_current(self, id: int) -> None:
        """Highlight an image, 0 for none, without `picked`."""
        item = self._items.get(id)
        if item is None:
            self.clearSelection()
            self.setCurrentItem(None)
        elif item not in self.selectedItems():  # several that are selected stay so
            self.setCurrentItem(item)
            self.scrollToItem(item)

    def show_loading(self, id: int) -> None:
        """Mark an image as loading, 0 for none."""
        for other, item in self._items.items():
            if bool(item.data(_LOADING)) != (other == id):
                item.setData(_LOADING, other == id)

    def status(self, id: int) -> str:
        """The status that is shown for an image."""
        return self._items[id].data(_STATUS)


def thumbnails(images: Sequence[tuple[int, Path]]) -> Generator[tuple[int, np.ndarray], None, None]:
    """Yield (id, (h, w, 3) uint8) of the images that can be read; for a worker thread."""
    from napari_centermask.core.errors import BadImage
    from napari_centermask.io.images import read_image
    from napari_centermask.io.scene_paths import file_of

    for id, path in images:
        try:
            if file_of(path).stat().st_size > _LARGEST:
                continue
            plane = next(read_image(path).planes())[1]
        except (OSError, BadImage, StopIteration):
            continue
        yield id, small(plane)


def small(plane: np.ndarray, *, side: int = SIDE) -> np.ndarray:
    """A plane (C, H, W) as a picture of at most `side` pixels: RGB unchanged, else the first channel with its contrast stretched.

    Returns
    -------
    numpy.ndarray
        (h, w, 3) uint8.
    """
    step = max(1, -(-max(plane.shape[1:]) // side))
    part = np.nan_to_num(np.asarray(plane[:, ::step, ::step], np.float32))
    channels = part if len(part) == 3 else part[:1]
    low, high = np.percentile(channels, (0.5, 99.7))
    if len(channels) == 3 and plane.dtype == np.uint8:
        low, high = 0.0, 255.0
    scaled = np.clip((channels - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.ascontiguousarray(np.broadcast_to(scaled.astype(np.uint8), (3, *scaled.shape[1:])).transpose(1, 2, 0))


def pixmap(picture: np.ndarray) -> QPixmap:
    """A (h, w, 3) uint8 picture for Qt."""
    height, width, _ = picture.shape
    return QPixmap.fromImage(QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888))
