"""Open microscopes' own files (CZI, ND2, LIF) in napari, with channel names and pixel sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_centermask.io import bio
from napari_centermask.io.images import read_image
from napari_centermask.io.scene_paths import flat
from napari_centermask.io.scenes import images_of
from napari_centermask.widgets.parts.scenes import ask_scenes
from napari_centermask.widgets.viewer.planes import AXES_NOTE
from napari_centermask.widgets.viewer.reader import NO_LAYERS, is_for_us_alone
from napari_centermask.widgets.viewer.samples import LayerData
from napari_centermask.widgets.viewer.shown import IMAGE_PATH

if TYPE_CHECKING:
    from napari_centermask.io.image_data import ImageData


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """A reader for a file that bioio can read, or that no other plugin reads: its error then names what to install."""
    if not isinstance(path, str) or not bio.is_bio(Path(path)) or not Path(path).is_file():
        return None
    is_readable = Path(path).suffix.lower() in bio.readable()
    return read if is_readable or is_for_us_alone(path) else None


def read(path: str) -> list[LayerData]:
    """A layer for each image that a person chooses; all channels in one, with a slider.

    Without a window, all images are opened.

    Raises
    ------
    BadImage, MissingExtra
        napari shows the message.
    """
    from napari import current_viewer

    asks = QApplication.instance() is not None and current_viewer() is not None
    images = ask_scenes(Path(path)) if asks else images_of(Path(path))
    return [_layer(image) for image in images] or NO_LAYERS


def _layer(path: Path) -> LayerData:
    image = read_image(path)
    data, axes = _data(image)
    letters = axes.rstrip("S")
    about: dict[str, Any] = {
        "channel_names": list(image.channel_names),
        AXES_NOTE: image.reading,
        IMAGE_PATH: str(path),
    }
    options: dict[str, Any] = {"name": flat(path).stem, "rgb": axes.endswith("S"), "metadata": about}
    options["axis_labels"] = tuple(letters.lower())
    if image.pixel_sizes_um is not None:
        sizes = dict(zip("YX", image.pixel_sizes_um, strict=True))
        options["scale"] = [sizes.get(a, 1.0) for a in letters]
        options["units"] = ["um" if a in sizes else "pixel" for a in letters]
    return data, options, "image"


def _data(image: ImageData) -> tuple[np.ndarray, str]:
    """The pixels with height and width last, but for colours."""
    order = [*(a for a in image.axes if a not in "YXS"), "Y", "X", *("S" for a in image.axes if a == "S")]
    return image.data.transpose([image.axes.index(a) for a in order]), "".join(order)
