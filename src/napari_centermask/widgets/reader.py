"""Open COCO files in napari: images where they are found, and their cells, overlaps kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import UserError
from ..core.result import Result
from ..io.coco import ImageRecord, read_coco
from ..io.images import read_plane
from .layers import ResultLayers
from .planes import ImagePlanes
from .samples import LayerData

_SNIFF = 1 << 16
_MOST_IMAGES = 20


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """A reader if the file looks like COCO instances, else None; reads the file's ends only."""
    if not isinstance(path, str) or not path.lower().endswith(".json"):
        return None
    try:
        with open(path, "rb") as stream:
            head = stream.read(_SNIFF)
            stream.seek(max(stream.tell(), Path(path).stat().st_size - _SNIFF))
            text = head + stream.read(_SNIFF)
    except OSError:
        return None
    if not head.lstrip().startswith(b"{") or not any(key in text for key in (b'"images"', b'"annotations"')):
        return None
    return read if any(key in text for key in (b'"segmentation"', b'"file_name"', b'"categories"')) else None


def read(path: str) -> list[LayerData]:
    """Layers of a COCO file: images of one shape as a stack, others one by one, at most 20.

    Raises
    ------
    BadAnnotations, BadImage
        napari shows the message.
    """
    from napari.utils.notifications import show_info

    records = read_coco(Path(path))
    if len(records) > _MOST_IMAGES:
        show_info(f"{Path(path).name} has {len(records)} images; the first {_MOST_IMAGES} are opened.")
        records = records[:_MOST_IMAGES]
    images = [_image(r, Path(path).parent) for r in records]
    if len(records) > 1 and len({_form(r, i) for r, i in zip(records, images, strict=True)}) == 1:
        stack = None if images[0] is None else np.stack(images)
        return _layers(records, stack, name=Path(path).stem, leading=(len(records),))
    layers: list[LayerData] = []
    for record, image in zip(records, images, strict=True):
        layers += _layers([record], image, name=Path(record.file_name or path).stem, leading=())
    return layers


def _form(record: ImageRecord, image: np.ndarray | None) -> tuple:
    return record.shape, None if image is None else (image.shape, image.dtype)


def _image(record: ImageRecord, folder: Path) -> np.ndarray | None:
    """The image beside the file or in its folder images/: (H, W) or (H, W, 3); None if it cannot be read."""
    for path in (record.path, folder / "images" / record.file_name):
        if path is None or not path.is_file():
            continue
        try:
            plane = read_plane(path)
        except UserError:
            return None
        if plane.shape[1:] == record.shape and len(plane) in (1, 3):
            return plane[0] if len(plane) == 1 else np.moveaxis(plane, 0, -1)
    return None


def _layers(
    records: list[ImageRecord], image: np.ndarray | None, *, name: str, leading: tuple[int, ...]
) -> list[LayerData]:
    result = Result(records[0].shape, leading=leading, name=records[0].file_name)
    for n, record in enumerate(records):
        result.put((n,) if leading else (), record.instances, keep_ids=not leading)
    shown = ResultLayers(result, ImagePlanes(np.broadcast_to(np.uint8(0), (*leading, *result.shape))), name=name)
    for index in result.planes:
        shown.compose(index)
    shown.describe()
    made: list[Any] = [shown.cells.as_layer_data_tuple(), shown.outlines.as_layer_data_tuple()]
    if image is not None:
        made.insert(0, (image, {"name": name, "rgb": image.ndim - len(leading) == 3}, "image"))
    return made
