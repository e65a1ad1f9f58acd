"""Ask which images of a file to use, if it holds several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QListWidget, QListWidgetItem, QVBoxLayout

from napari_centermask.io.scenes import images_of

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


class SceneDialog(QDialog):
    """A list of the images in a file, to tick.

    Parameters
    ----------
    name
        Name of the file.
    scenes
        Names of its images.
    ticked
        How many of them are ticked at first; None for all.
    """

    def __init__(self, name: str, scenes: list[str], *, ticked: int | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Images in {name}")
        self.list = QListWidget()
        ticked = len(scenes) if ticked is None else ticked
        for n, scene in enumerate(scenes):
            item = QListWidgetItem(scene, self.list)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if n < ticked else Qt.CheckState.Unchecked)
        buttons = QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        self.buttons = QDialogButtonBox(buttons)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.list.itemChanged.connect(self._on_ticked)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"{name} holds {len(scenes)} images. Which do you want to open?"))
        layout.addWidget(self.list)
        layout.addWidget(self.buttons)

    @property
    def chosen(self) -> list[int]:
        """The numbers of the ticked images."""
        rows = range(self.list.count())
        return [n for n in rows if self.list.item(n).checkState() == Qt.CheckState.Checked]

    def _on_ticked(self) -> None:
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(bool(self.chosen))
        ok.setToolTip("" if self.chosen else "Tick an image first.")


def ask_scenes(path: Path, parent: QWidget | None = None, *, ticked: int | None = 1) -> list[Path]:
    """The images of a file that a person chooses; the only one without a question, none after Cancel.

    Parameters
    ----------
    ticked
        How many are ticked at first; None for all.

    Raises
    ------
    BadImage, MissingExtra
        If the file cannot be read.
    """
    images = images_of(path)
    if len(images) < 2:
        return images
    names = [image.relative_to(path).as_posix() for image in images]
    dialog = SceneDialog(path.name, names, ticked=ticked, parent=parent)
    if dialog.exec() != QDialog.DialogCode.Accepted:
        return []
    return [images[n] for n in dialog.chosen]
