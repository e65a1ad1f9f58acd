"""`classify`: cells in, the same cells with categories and probabilities out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import check_free, print_json
from napari_centermask.core.errors import BadImage

Flag = Annotated[bool, Parameter(negative=())]


def classify(
    cells: Path,
    /,
    *,
    classifier: str = "live-dead",
    images: Path | None = None,
    out: Path = Path("classified.json"),
    engine: str = "auto",
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Tell the categories of cells that were found, by a classifier of their crops.

    What a person accepted or corrected keeps its category.

    For example:

      napari-centermask classify segmented/annotations.json --images fields --out classified.json

    Parameters
    ----------
    cells
        COCO file of cells.
    classifier
        A file NAME.classifier.onnx, or a model that comes with one.
    images
        Folder of the images; beside the cells, or in images/ there, when not given.
    out
        COCO file to write.
    engine
        openvino, onnx or auto.
    overwrite
        Replace an earlier file.
    json
        Print what was told as JSON.
    """
    import numpy as np

    from napari_centermask.engines.classifier import load_classifier
    from napari_centermask.io.coco.document import read_coco, write_coco
    from napari_centermask.io.formats.reading import find_image
    from napari_centermask.io.images import read_plane
    from napari_centermask.pipeline.classify import classify as tell

    records = read_coco(cells)
    found_images = [find_image(cells, images, r.file_name) for r in records]
    check_free([out], overwrite=overwrite, inputs=[cells, *found_images])
    loaded = load_classifier(classifier, engine=engine)
    told, counts = [], dict.fromkeys(loaded.card.model.categories, 0)
    for record, path in zip(records, found_images, strict=True):
        if path is None:
            where = images or cells.parent
            raise BadImage(f"Expected the image {record.file_name} in {where}, there is none. Say where: --images.")
        found = tell(np.asarray(read_plane(path, record.plane)), record.instances, loaded)
        for cell in found:
            counts[found.categories[cell.category]] += 1
        told.append(replace(record, instances=found))
    write_coco(out, told)
    if json:
        print_json({"images": len(told), "cells": counts, "written": out})
    else:
        print(f"{len(told)} images: {', '.join(f'{n} {name}' for name, n in counts.items())}. Written: {out}")
    return 0
