"""Save label layers from napari: as COCO with all overlaps, or as a label image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..core.compose import from_label_image, label_image
from ..core.instances import Instances
from ..core.result import Index, Result
from ..io.coco import write_coco as _write_coco
from ..io.coco_records import records_of
from .layers import KEY


def write_coco(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the cells above the threshold, hidden parts too, as COCO instances."""
    name, planes = _planes(data, attributes)
    result = attributes.get("metadata", {}).get(KEY)
    if not isinstance(result, Result):
        shape = next(iter(planes.values())).shape
        result = Result(shape, leading=np.shape(data)[:-2], name=name)
        for index, cells in planes.items():
            result.put(index, cells, keep_ids=True)
    _write_coco(Path(path), records_of(result, _file_name(name, result), extra=_pixel_size(attributes), shown=True))
    return [path]


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the top-most cells as a TIFF of labels; what lies under other cells is only in COCO."""
    import tifffile

    _, planes = _planes(data, attributes)
    images = [label_image(cells) for cells in planes.values()]
    stack = np.stack(images) if images[0].ndim and len(images) > 1 else images[0]
    if stack.max(initial=0) <= np.iinfo(np.uint16).max:
        stack = stack.astype(np.uint16)
    part = Path(path).with_name(Path(path).name + ".part")
    try:
        tifffile.imwrite(part, stack, compression="zlib", metadata={"axes": "ZYX"[-stack.ndim :]})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return [path]


def _planes(data: Any, attributes: dict[str, Any]) -> tuple[str, dict[Index, Instances]]:
    """The name of the image, and the cells of each plane: of our result, or of any label layer."""
    result = attributes.get("metadata", {}).get(KEY)
    if isinstance(result, Result):
        planes = {index: result.visible(index) for index in np.ndindex(*result.leading)}
        return result.name, planes
    array = np.asarray(data)
    planes = {index: from_label_image(array[index]) for index in np.ndindex(*array.shape[:-2])}
    return str(attributes.get("name", "image")), planes


def _file_name(name: str, result: Result) -> str:
    """The image's file; layers that come from no file get the name that saving the image would give it."""
    path = Path(name)
    return path.name if path.suffix else f"{path.name}.{'tif' if result.leading else 'png'}"


def _pixel_size(attributes: dict[str, Any]) -> dict[str, float]:
    """The side of a pixel, where the layer has it in micrometres."""
    units, scale = attributes.get("units") or (), attributes.get("scale")
    if len(units) and scale is not None and str(units[-1]) in ("um", "µm", "micrometer"):
        return {"pixel_size_um": float(scale[-1])}
    return {}
