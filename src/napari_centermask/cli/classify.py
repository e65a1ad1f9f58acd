"""`classify`: give cells categories and probabilities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from napari_centermask.cli.output import check_free, notice, print_json
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage
from napari_centermask.core.left_out import LeftOut

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
    """Classify segmented cells from crops of the image.

    Cells that somebody accepted or corrected keep their category.

    For example:

      napari-centermask classify segmented/annotations.json --images fields --out classified.json

    Parameters
    ----------
    cells
        COCO file of cells.
    classifier
        A file NAME.classifier.onnx, or a model that includes one.
    images
        Folder of the images; by default the folder of the cells, or images/ in it.
    out
        COCO file to write.
    engine
        openvino, onnx or auto.
    overwrite
        Replace an existing file.
    json
        Print a summary as JSON.
    """
    import numpy as np

    from napari_centermask.engines.classifier import load_classifier
    from napari_centermask.io.coco.document import read_coco, write_coco
    from napari_centermask.io.formats.reading import find_image
    from napari_centermask.io.images import read_plane
    from napari_centermask.pipeline.classify import classify as tell

    records = read_coco(cells)
    image_paths = [find_image(cells, images, r.file_name) for r in records]
    check_free([out], overwrite=overwrite, inputs=[cells, *image_paths])
    loaded = load_classifier(classifier, engine=engine)
    classified_records, counts = [], dict.fromkeys(loaded.card.model.categories, 0)
    left_out = LeftOut[str](lambda why: notice(f"Error: {why}"))
    for record, path in zip(records, image_paths, strict=True):
        classified_records.append(record)  # as it is, unless it is classified
        with left_out.unless_done(record.file_name):
            if path is None:
                where = images or cells.parent
                raise BadImage(f"Image {record.file_name} not found in {where}. Choose its folder with --images.")
            classified = tell(np.asarray(read_plane(path, record.plane)), record.instances, loaded)
            classified_records[-1] = replace(record, instances=classified)
            for cell in classified:
                counts[classified.categories[cell.category]] += 1
    if left_out and len(left_out.why) == len({r.file_name for r in records}):
        raise BadImage(f"None of {counted(len(left_out.why), 'image')} can be classified. Nothing is written.")
    write_coco(out, classified_records)
    if json:
        print_json({"images": len(classified_records), "cells": counts, "written": out, "failed": left_out.sentences})
    else:
        print(
            f"{counted(len(records), 'image')}: {', '.join(f'{n} {name}' for name, n in counts.items())}. Written: {out}"
        )
    if left_out:
        notice("The cells of images that failed are written as they were.")
    return 2 if left_out else 0
