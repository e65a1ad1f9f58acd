"""Cut the sample of training data that comes with a model, which fine-tuning uses again against forgetting.

    python scripts/make_replay.py nuclei --data ../shared/data --out resources/models/nuclei/replay

From the data sets of the model's run file (scripts/train_MODEL.json), evenly over their sources, a window of about seven cells
in a row where cells are dense; `train` from `train`, `val` from `val`, the bit depth kept. README.md there names the sources.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from napari_centermask.core.instances import Box, Instance, Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.groups import group_of
from napari_centermask.models.store.card import IMAGES_OF
from napari_centermask.training.data.replay_sample import KIND, OUTLINED

# About the parts that they have in the models' run files. No `val`: the data set has none, or its masks are weak.
TILES = {
    "nuclei": {
        "dsb2018_fluo": (36, 9),
        "dsb_overlap_composite": (14, 4),
        "dsb2018_histo": (10, 3),
        "bbbc039_fluo16": (8, 2),
        "aits_nuclei": (6, 2),
    },
    "cells": {
        "usiigaci_phase": (10, 3),
        "yeastvision_phase": (5, 0),
        "cellsium_bacteria_synth": (6, 2),
        "dsb2018_fluo": (16, 4),
        "dsb_overlap_composite": (10, 3),
        "dsb2018_histo": (8, 2),
        "bbbc039_fluo16": (3, 1),
        "aits_nuclei": (3, 1),
        "sbsst265_neuroblastoma": (2, 1),
        "dsb2018_brightfield": (3, 1),
    },
}
CATEGORIES = {"nuclei": "nucleus", "cells": "cell"}
NUCLEI = {*TILES["nuclei"], "sbsst265_neuroblastoma", "dsb2018_brightfield"}
"""Data sets whose outlines are those of nuclei, also where the model calls them cells."""
CELLS_IN_A_ROW = 7
SIDES = (128, 320)
SMALLEST = 8
"""Fewer pixels of a cut cell are no cell."""


def choose(records: list[ImageRecord], n: int) -> list[ImageRecord]:
    """`n` images with cells, of different sources, evenly over their median diameters."""
    by_source = {}
    for record in records:
        if len(record.instances) >= CELLS_IN_A_ROW:
            by_source.setdefault(str(record.extra.get("group", group_of(record.file_name))), record)
    ordered = sorted(by_source.values() if len(by_source) >= n else records, key=diameter)
    return [ordered[k] for k in np.linspace(0, len(ordered) - 1, n).round().astype(int)]


def diameter(record: ImageRecord) -> float:
    """Median diameter of its cells in pixels."""
    return float(np.median([c.diameter for c in record.instances]))


def dense_window(record: ImageRecord) -> Box:
    """The square window, centred on a cell, that holds the most centres of cells."""
    height, width = record.shape
    side = int(np.clip(CELLS_IN_A_ROW * diameter(record), *SIDES))
    h, w = min(side, height), min(side, width)
    centres = np.array([((c.box[0] + c.box[2]) / 2, (c.box[1] + c.box[3]) / 2) for c in record.instances])
    corners = np.clip(centres - (h / 2, w / 2), 0, (height - h, width - w)).astype(int)
    inside = [((centres >= corner) & (centres < corner + (h, w))).all(axis=1).sum() for corner in corners]
    y0, x0 = (int(v) for v in corners[int(np.argmax(inside))])
    return y0, x0, y0 + h, x0 + w


def cut(record: ImageRecord, window: Box, out: Path, *, id: int, prefix: str, category: str) -> ImageRecord:
    """Write the window of the image, and return its record with the cells as far as they lie in it.

    It says what was outlined, and in which kind of image, for `training.data.replay_sample`.
    """
    y0, x0, y1, x1 = window
    name = f"{prefix}_{Path(record.file_name).stem}.png"
    Image.fromarray(np.asarray(Image.open(record.path))[y0:y1, x0:x1]).save(out / "images" / name, optimize=True)
    shape = (y1 - y0, x1 - x0)
    cells = Instances(shape, categories={1: category})
    for cell in record.instances:
        full = np.zeros(record.shape, bool)
        a, b, c, d = cell.box
        full[a:c, b:d] = cell.mask
        part = full[y0:y1, x0:x1]
        if part.sum() >= SMALLEST:
            cells.add(Instance.from_mask(part))
    about = {OUTLINED: "nucleus" if prefix in NUCLEI else "cell", KIND: IMAGES_OF[prefix]}
    extra = {"window": list(window)} | about
    return replace(record, id=id, file_name=name, path=None, shape=shape, instances=cells, extra=extra)


def main() -> None:
    """Cut and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=TILES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    (options.out / "images").mkdir(parents=True, exist_ok=True)
    category = CATEGORIES[options.model]
    for k, split in enumerate(("train", "val")):
        written: list[ImageRecord] = []
        for name, numbers in TILES[options.model].items():
            folder = options.data / name
            records = (
                read_coco(folder / f"annotations_{split}.json", images_root=folder / "images") if numbers[k] else []
            )
            for record in choose(records, numbers[k]):
                window, id = dense_window(record), len(written) + 1
                written.append(cut(record, window, options.out, id=id, prefix=name, category=category))
        write_coco(options.out / f"annotations_{split}.json", written)
        print(split, len(written), "images", sum(len(r.instances) for r in written), "cells")


if __name__ == "__main__":
    main()
