"""Our projects and COCO folders in detectron2's catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instances
from napari_centermask.detectron2.installed import require
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.reviewed import truths_of
from napari_centermask.io.rle import compress, encode


def register_data(name: str, folder: Path | str, *, split: str | None = None) -> Any:
    """Enter a project, or a folder with images/ and annotations.json, in detectron2's catalog.

    Its files are read when detectron2 asks for them, so what was corrected meanwhile is there. Cells keep their masks as
    run lengths, so they may overlap and have holes; the configuration needs `INPUT.MASK_FORMAT: bitmask`. In a project with
    reviewed images, only those are there.

    Parameters
    ----------
    name
        As in `DATASETS.TRAIN`.
    split
        Of annotations_SPLIT.json, such as "train".

    Returns
    -------
    detectron2.data.Metadata

    Raises
    ------
    MissingExtra
        Without detectron2.
    BadAnnotations
        If the folder has no such annotations, or the name is taken.
    """
    require()
    from detectron2.data import DatasetCatalog, MetadataCatalog

    folder = Path(folder).expanduser().resolve()
    path = folder / ("annotations.json" if split is None else f"annotations_{split}.json")
    if not path.is_file():
        raise BadAnnotations(
            f"{folder} has no {path.name}. Choose a project, or a folder with images/ and annotations."
        )
    if name in DatasetCatalog.list():
        raise BadAnnotations(f"detectron2's catalog has '{name}' already. Choose another name.")
    names = list(read_annotated(path, images_root=folder / "images")[0].instances.categories.values())
    DatasetCatalog.register(name, lambda: dicts(path))
    return MetadataCatalog.get(name).set(thing_classes=names, evaluator_type="coco")


def dicts(path: Path) -> list[dict[str, Any]]:
    """detectron2's standard records of an annotation file, one for each image that can be trained on."""
    records = read_annotated(path, images_root=path.parent / "images")
    return [_record(record, truth.instances) for record, truth in truths_of(records) if record.path is not None]


def _record(record: ImageRecord, cells: Instances) -> dict[str, Any]:
    from detectron2.structures import BoxMode

    order = {category: index for index, category in enumerate(record.instances.categories)}
    annotations = []
    for cell in cells:
        y0, x0, y1, x1 = cell.box
        runs = {"size": list(record.shape), "counts": compress(encode(cell, record.shape))}
        box = {"bbox": [x0, y0, x1, y1], "bbox_mode": BoxMode.XYXY_ABS}
        annotations.append(box | {"category_id": order.get(cell.category, 0), "segmentation": runs, "iscrowd": 0})
    height, width = record.shape
    size = {"image_id": record.id, "height": height, "width": width}
    return {"file_name": str(record.path), "annotations": annotations} | size
