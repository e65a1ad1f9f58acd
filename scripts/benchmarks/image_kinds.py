"""The look at an image: how many images of each data set are taken for their kind, and how long that takes.

python scripts/benchmarks/image_kinds.py ../shared/data --splits test
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np

from napari_centermask.core.image_kind import image_kind
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.images import read_image
from napari_centermask.models.store.card import IMAGES_OF

KINDS = {**IMAGES_OF, "baby_yeast": "transmitted"}  # which no model was trained on


def main() -> None:
    """Print a row for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", nargs="+", default=["train", "val"])
    wanted = parser.parse_args()
    for name, kind in KINDS.items():
        found, seconds = Counter[str](), []
        for path in images(wanted.data / name, wanted.splits):
            image = read_image(path)
            _, plane = next(image.planes())
            start = time.perf_counter()
            found[str(image_kind(plane, is_rgb="S" in image.axes))] += 1
            seconds.append(time.perf_counter() - start)
        if n := sum(found.values()):
            others = ", ".join(f"{other} {k}" for other, k in found.items() if other != kind) or "-"
            print(
                f"| `{name}` | {kind} | {found[kind]} of {n} | {others} | {1000 * np.median(seconds):.0f} ms |",
                flush=True,
            )


def images(folder: Path, splits: list[str]) -> list[Path]:
    """The images of some splits; stacks once."""
    files = [folder / f"annotations_{split}.json" for split in splits]
    records = [r for f in files if f.exists() for r in read_annotated(f, images_root=folder / "images")]
    return list(dict.fromkeys(r.path for r in records if r.path is not None))


if __name__ == "__main__":
    main()
