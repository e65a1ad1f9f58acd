"""Save label layers from napari: as COCO with all overlaps, or as a label image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..core.compose import from_label_image, label_image
from ..core.instances import Instances
from ..core.result import Index, Result
from ..io.coco import ImageRecord
from ..io.coco import write_coco as _write_coco
from .layers import KEY


def write_coco(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the cells above the threshold, hidden parts too, as COCO instances."""
    name, planes = _planes(data, attributes)
    records = [
        ImageRecord(n, _file_name(name, index), None, cells.shape, cells, {"plane": list(index)} if index else {})
        for n, (index, cells) in enumerate(planes.items(), start=1)
    ]
    _write_coco(Path(path), records)
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


def _file_name(name: str, index: Index) -> str:
    path = Path(name)
    number = "".join(f"_{i}" for i in index)
    return f"{path.stem}{number}{path.suffix or '.png'}" if index else path.name
