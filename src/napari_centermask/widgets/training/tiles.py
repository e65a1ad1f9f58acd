"""A look at the training tiles before a training: drawn by a process of its own, shown below its settings."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

from qtpy.QtGui import QImage
from qtpy.QtWidgets import QWidget

from napari_centermask.core.errors import UserError
from napari_centermask.jobs.child import run_child
from napari_centermask.jobs.command import RUN_FILE
from napari_centermask.settings import TrainSettings
from napari_centermask.widgets.parts.layout import column, quiet_label
from napari_centermask.widgets.parts.picture import Picture, read_picture
from napari_centermask.widgets.work.tasks import Failed

_CAPTION = (
    "Training tiles as the network gets them, with the outlines of their cells. Red boxes do not count as background."
)


def draw_tiles(settings: TrainSettings) -> Generator[object, None, QImage | Failed]:
    """The picture that `train --preview` draws for these settings; for the worker thread."""
    with tempfile.TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as folder:
        run, picture = Path(folder, RUN_FILE), Path(folder, "tiles.png")
        try:
            run.write_text(settings.model_dump_json(), encoding="utf-8")
            yield from run_child(["train", str(run), "--preview-file", str(picture)])
        except (UserError, OSError) as error:
            return Failed.of(error)
        return read_picture(picture) or Failed("The picture of the tiles cannot be read. Try again.")


class TilesBox(QWidget):
    """The picture, with a line that says what it shows; hidden where there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.caption, self.picture = quiet_label(), Picture()
        self.caption.setText(_CAPTION)
        layout = column(self)
        layout.addWidget(self.caption)
        layout.addWidget(self.picture)
        self.hide()

    def set_image(self, image: QImage | None) -> None:
        """Show a picture, or hide."""
        self.setVisible(image is not None)
        self.picture.set_image(image)
