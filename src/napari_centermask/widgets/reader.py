"""Open COCO files in napari: images where they are found, and their cells, overlaps kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import UserError
from ..core.result import Result
from ..io.coco import ImageRecord, read_coco
from ..io.coco_records import by_image, result_of
from ..io.images import read_image
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

    images = list(by_image(read_coco(Path(path))).values())
    if len(images) > _MOST_IMAGES:
        show_info(f"{Path(path).name} has {len(images)} images; the first {_MOST_IMAGES} are opened.")
        images = images[:_MOST_IMAGES]
    results = [result_of(planes) for planes in images]
    pixels = [_image(planes[0], Path(path).parent) for planes in images]
    forms = {_form(r, p) for r, p in zip(results, pixels, strict=True)}
    if len(results) > 1 and len(forms) == 1 and not results[0].leading:
        stack = None if pixels[0] is None else np.stack(pixels)
        return _layers(_stacked(results), stack, name=Path(path).stem)
    layers: list[LayerData] = []
    for result, image in zip(results, pixels, strict=True):
        layers += _layers(result, image, name=Path(result.name).stem)
    return layers


def _form(result: Result, image: np.ndarray | None) -> tuple:
    return result.shape, result.leading, None if image is None else (image.shape, image.dtype)


def _stacked(results: list[Result]) -> Result:
    """Images of one size as the planes of one result."""
    stack = Result(results[0].shape, leading=(len(results),), name=results[0].name, threshold=results[0].threshold)
    for n, result in enumerate(results):
        stack.put((n,), result.plane(()))
        stack.set_reviewed((n,), result.reviewed(()))
    return stack


def _image(record: ImageRecord, folder: Path) -> np.ndarray | None:
    """The image beside the file or in its folder images/: (*leading, H, W) or (..., 3); None if it cannot be read."""
    for path in (record.path, folder / "images" / record.file_name):
        if path is None or not path.is_file():
            continue
        try:
            image = read_image(path)
        except UserError:
            return None
        planes = [plane for _, plane in image.planes()] if image.leading == record.leading else []
        if planes and planes[0].shape[1:] == record.shape and len(planes[0]) in (1, 3):
            stack = np.stack(planes).reshape(*record.leading, *planes[0].shape)
            return stack[..., 0, :, :] if len(planes[0]) == 1 else np.moveaxis(stack, -3, -1)
    return None


def _layers(result: Result, image: np.ndarray | None, *, name: str) -> list[LayerData]:
    blank = np.broadcast_to(np.uint8(0), (*result.leading, *result.shape))
    shown = ResultLayers(result, ImagePlanes(blank), name=name)
    for index in result.planes:
        shown.compose(index)
    shown.describe()
    made: list[Any] = [shown.cells.as_layer_data_tuple(), shown.outlines.as_layer_data_tuple()]
    if image is not None:
        made.insert(0, (image, {"name": name, "rgb": image.ndim - len(result.leading) == 3}, "image"))
    return made
