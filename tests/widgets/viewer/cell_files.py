"""Files of overlapping cells, with and without their images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord

PLUGIN = "napari-centermask"


def overlapping(name="field.png", leading=()) -> Result:
    result = Result((40, 50), leading=leading, name=name)
    for n, index in enumerate(np.ndindex(*leading)):
        result.set(index, 2 * n + 1, Instance(2 * n + 1, 5, 5, np.ones((20, 20), bool), order=1))
        result.set(index, 2 * n + 2, Instance(2 * n + 2, 15, 15, np.ones((15, 25), bool)))
    return result


def save_image(folder: Path) -> None:
    from PIL import Image

    Image.fromarray(np.arange(2000, dtype=np.uint8).reshape(40, 50)).save(folder / "field.png")


def two_overlapping() -> Instances:
    cells = Instances((40, 50), categories={1: "cell", 2: "bud"})
    cells.add(Instance(3, 5, 5, np.ones((20, 20), bool), score=0.9))
    cells.add(Instance(8, 15, 15, np.ones((15, 25), bool), category=2, score=0.6))
    return cells


def write_both(folder, n=1):
    from PIL import Image

    names = [f"field{i}.png" for i in range(n)]
    for name in names:
        Image.fromarray(np.arange(2000, dtype=np.uint8).reshape(40, 50)).save(folder / name)
    records = [ImageRecord(i, name, None, (40, 50), two_overlapping()) for i, name in enumerate(names, start=1)]
    write_coco(folder / "annotations.json", records)
    return folder / "annotations.json"
