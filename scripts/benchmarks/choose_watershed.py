"""Which settings of the watershed separate a U-Net's cells best, measured on a `val` split; `test` is not used.

    python scripts/benchmarks/choose_watershed.py --model runs/unet/best.safetensors --data ../shared/data/dsb2018_fluo

The network runs once for each image; images are segmented at their own median diameter, so the estimate does not
matter.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.engines import MapEngine
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings


class Remembered:
    """An engine that answers what it was asked before from memory."""

    def __init__(self, engine: MapEngine) -> None:
        self._engine, self._known = engine, {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        key = hash(tiles.tobytes())
        if key not in self._known:
            self._known[key] = self._engine.maps(tiles)
        return self._known[key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--images", type=int, default=40, help="Most images, evenly drawn.")
    parser.add_argument("--foreground", type=float, nargs="*", default=[0.3, 0.4, 0.5, 0.6])
    parser.add_argument("--seed", type=float, nargs="*", default=[0.2, 0.3, 0.4, 0.5, 0.6])
    parser.add_argument("--smoothing", type=float, nargs="*", default=[0.0, 0.5, 1.0, 1.5, 2.0])
    arguments = parser.parse_args()
    engine = Remembered(load_engine(arguments.model, engine=arguments.engine))
    records = read_truth(arguments.data, "val")
    records = records[:: -(-len(records) // arguments.images)]
    images = [read_plane(record.path, record.plane) for record in records]
    diameters = [float(np.median([c.diameter for c in r.instances])) if len(r.instances) else None for r in records]
    print(
        f"{len(images)} images\n{'foreground':>11}{'seed':>6}{'smoothing':>11}{'AP50':>8}{'AP mean':>9}{'overlap recall':>16}"
    )
    for foreground, seed, smoothing in product(arguments.foreground, arguments.seed, arguments.smoothing):
        chosen = {"foreground": foreground, "seed": seed, "smoothing": smoothing}
        pairs = [
            (record.instances, segment(image, engine, SegmentSettings(diameter=diameter, **chosen)), None)
            for record, image, diameter in zip(records, images, diameters, strict=True)
        ]
        data = evaluate(pairs).to_json()
        values = data["bioimage_ap"]["0.50"], data["bioimage_ap_mean"], data["overlap"]["recall50"]
        row = f"{foreground:>11.2f}{seed:>6.2f}{smoothing:>11.1f}{values[0]:>8.4f}{values[1]:>9.4f}"
        print(row + ("               -" if values[2] is None else f"{values[2]:>16.4f}"), flush=True)


if __name__ == "__main__":
    main()
