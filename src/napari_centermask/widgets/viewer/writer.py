"""Save label layers from napari, with all overlaps if the format can store them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.compose import from_label_image
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import write_coco as _write_coco
from napari_centermask.io.coco.image_place import with_place
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.loss import only_shown
from napari_centermask.io.scene_paths import HOLDERS
from napari_centermask.widgets.viewer.layers import KEY, PAINTED
from napari_centermask.widgets.viewer.state import image_file_of, note_saved


def write_coco(path: str, data: object, attributes: dict[str, Any]) -> list[str]:
    """Write the cells above the threshold, including hidden parts, as COCO instances."""
    result = _result(data, attributes)
    extra = with_place(pixel_size(attributes), image_file_of(result), Path(path), file_name_of(result))
    records = records_of(result, file_name_of(result), extra=extra, shown=True)
    _write_coco(Path(path), records)
    note_saved(result)
    return [path]


def write_as(format: str, path: str, data: object, attributes: dict[str, Any]) -> list[str]:
    """Write the cells above the threshold in one of the formats; a warning first says what will be lost."""
    from napari.utils.notifications import show_warning

    chosen = FORMATS[format]
    result = only_shown(_result(data, attributes))
    loss = chosen.loss([result])
    if loss:
        show_warning(f"{chosen.title}: {loss.text()} COCO keeps everything.")
    chosen.write(Path(path), [result])
    return [path]


write_labels = partial(write_as, "labels")
write_imagej = partial(write_as, "imagej")
write_geojson = partial(write_as, "geojson")
write_ome_zarr = partial(write_as, "ome-zarr")
write_ome_zarr_05 = partial(write_as, "ome-zarr-0.5")


def write_cellpose(path: str, data: object, attributes: dict[str, Any]) -> list[str]:
    """Write a file for Cellpose, which recognises its files by the ending of their names."""
    return write_as("cellpose", path.removesuffix(".npy").removesuffix("_seg") + "_seg.npy", data, attributes)


def write_selected(
    write: Callable[[str, object, dict[str, Any]], list[str]],
    path: str,
    layers: Sequence[tuple[object, dict[str, Any], str]],
) -> list[str]:
    """Write the cells of several selected layers: those that show one image's cells are saved as its cells, once.

    Raises
    ------
    BadSettings
        If they show the cells of several images, or layers of other cells are among them.
    """
    shown = [(data, a) for data, a, _ in layers if PAINTED not in a.get("metadata", {})]
    results = {id(a.get("metadata", {}).get(KEY)): (data, a) for data, a in shown}
    if len(results) != 1 or any(KEY not in a.get("metadata", {}) for _, a in shown):
        raise BadSettings(
            "The selected layers do not belong to one image. Select the cells of one image and save them."
        )
    ((data, attributes),) = results.values()
    return write(path, data, attributes)


write_selected_coco = partial(write_selected, write_coco)
write_selected_labels = partial(write_selected, write_labels)
write_selected_imagej = partial(write_selected, write_imagej)
write_selected_geojson = partial(write_selected, write_geojson)
write_selected_ome_zarr = partial(write_selected, write_ome_zarr)
write_selected_ome_zarr_05 = partial(write_selected, write_ome_zarr_05)
write_selected_cellpose = partial(write_selected, write_cellpose)


def _result(data: object, attributes: dict[str, Any]) -> Result:
    """Our own result, or the cells of any label layer."""
    result = attributes.get("metadata", {}).get(KEY)
    if isinstance(result, Result):
        return result
    array = np.asarray(data)
    *leading, height, width = array.shape
    result = Result((height, width), leading=tuple(leading), name=str(attributes.get("name", "image")))
    last = 0
    for index in np.ndindex(*result.leading):
        cells = from_label_image(array[index])
        fresh = all(c.id > last for c in cells)
        last = max((c.id for c in result.put(index, cells, keep_ids=fresh)), default=last)
    return result


def file_name_of(result: Result) -> str:
    """Name of the image's file; for layers without a file, the name that saving the image would give."""
    path = Path(result.name)
    holder = next((k for k, part in enumerate(path.parts[:-1]) if part.lower().endswith(HOLDERS)), None)
    if holder is not None:  # one of several images in a file
        return "/".join(path.parts[holder:])
    return path.name if path.suffix else f"{path.name}.{'tif' if result.leading else 'png'}"


def pixel_size(attributes: dict[str, Any]) -> dict[str, float]:
    """The side of a pixel, if the layer has it in micrometres."""
    size = step_um(attributes, -1)
    return {} if size is None else {"pixel_size_um": size}


def step_um(attributes: dict[str, Any], axis: int) -> float | None:
    """The step along an axis of a layer, if it has it in micrometres."""
    units: Sequence[object] = attributes.get("units") or ()
    scale = attributes.get("scale")
    if len(units) and scale is not None and str(units[axis]) in ("um", "µm", "micrometer"):
        return float(scale[axis])
    return None
