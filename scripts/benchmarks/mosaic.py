"""Large images: whether results depend on the tile size, how fast it is, and how much memory it takes.

    python scripts/benchmarks/mosaic.py --fields ../shared/data/bbbc039_fluo16/images

Real fields are laid side by side to 4096 x 4096 (about 5,000 nuclei). Each row of figures is from a separate process, so that
its peak memory is its own. "agreement" runs tiles of 512 and of 2048 and matches their cells at IoU 0.7; "speed" uses the
image without rescaling; "sizes" runs 2048, 4096 and 8192 on a memory map of the mosaic repeated, for time and memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_centermask.core.tiles import plan
from napari_centermask.deploy.benchmark import machine
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.matching import match, pair
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import estimate_diameter, segment
from napari_centermask.settings import SegmentSettings

SIDE = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=Path, required=True, help="Folder of real fields of one size.")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--engine", default="onnx")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--what", nargs="+", default=["agreement", "speed", "sizes"])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_sizes(arguments)))
        return
    image = mosaic(arguments.fields)
    report = {"machine": machine(), "engine": arguments.engine}
    for what in arguments.what:
        report[what] = {"agreement": _agreement, "speed": _speed, "sizes": _all_sizes}[what](image, arguments)
        print(json.dumps({what: report[what]}, indent=1), file=sys.stderr, flush=True)
    print(json.dumps(report, indent=1))


def mosaic(fields: Path, side: int = SIDE) -> np.ndarray:
    """(C, side, side) of the folder's images in the order of their names, row by row, again from the first if needed."""
    images = [read_plane(path) for path in sorted(fields.glob("*.png"))]
    height, width = images[0].shape[1:]
    rows, columns = -(-side // height), -(-side // width)
    chosen = [images[i % len(images)] for i in range(rows * columns)]
    lines = [np.concatenate(chosen[r * columns : (r + 1) * columns], axis=2) for r in range(rows)]
    return np.ascontiguousarray(np.concatenate(lines, axis=1)[:, :side, :side])


def _agreement(image: np.ndarray, arguments: argparse.Namespace) -> dict:
    engine = load_engine(arguments.model, engine=arguments.engine)
    diameter = estimate_diameter(image, engine, SegmentSettings())
    small, large = (list(segment(image, engine, SegmentSettings(diameter=diameter, tile=t))) for t in (512, 2048))
    pairs = pair(small, large)
    scores = {f"f1_at_{t}": 2 * len(match(pairs, t)[0]) / (len(small) + len(large)) for t in (0.5, 0.7, 0.9)}
    return {"diameter": diameter, "cells_512": len(small), "cells_2048": len(large)} | scores


def _speed(image: np.ndarray, arguments: argparse.Namespace) -> dict:
    engine = load_engine(arguments.model, engine=arguments.engine)
    settings = SegmentSettings(diameter=engine.card.diameter)
    tiles = plan(image.shape[1:], tile=settings.tile, overlap=max(settings.overlap, int(1.25 * engine.card.diameter)))
    seen = sum((t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) for t in tiles)
    segment(image[:, :1024, :1024], engine, settings)
    seconds = []
    for _ in range(arguments.runs):
        start = time.perf_counter()
        cells = len(segment(image, engine, settings))
        seconds.append(time.perf_counter() - start)
    median, pixels = statistics.median(seconds), SIDE * SIDE
    return {
        "cells": cells,
        "seconds": median,
        "megapixels_per_second": pixels / 1e6 / median,
        "tiles": len(tiles),
        "pixels_seen_twice": seen / pixels - 1,
    }


def _all_sizes(image: np.ndarray, arguments: argparse.Namespace) -> list[dict]:
    rows = []
    for side in (2048, 4096, 8192):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{side}.npy"
            repeats = -(-side // SIDE)
            np.save(path, np.tile(image, (1, repeats, repeats))[:, :side, :side])
            command = [sys.executable, __file__, "--one", str(path), "--fields", str(arguments.fields)]
            command += ["--model", arguments.model, "--engine", arguments.engine]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append(json.loads(done.stdout))
    return rows


def _sizes(arguments: argparse.Namespace) -> dict:
    """Time and peak memory of one size; the peak is the process's, less the size of the image."""
    image = np.load(arguments.one, mmap_mode="r")
    engine = load_engine(arguments.model, engine=arguments.engine)
    settings = SegmentSettings(diameter=engine.card.diameter)
    before = _status_mb("RssAnon")
    start = time.perf_counter()
    cells = segment(image, engine, settings)
    seconds = time.perf_counter() - start
    masks = sum(c.mask.nbytes for c in cells) / 2**20
    return {
        "side": image.shape[1],
        "cells": len(cells),
        "seconds": round(seconds, 2),
        "megapixels_per_second": round(image.shape[1] * image.shape[2] / 1e6 / seconds, 3),
        "image_mb": round(image.nbytes / 2**20, 1),
        "masks_mb": round(masks, 1),
        "before_mb": round(before, 1),
        "peak_mb": round(_status_mb("VmHWM") - image.nbytes / 2**20, 1),
    }


def _status_mb(field: str) -> float:
    """A field of this process's status; getrusage's peak would be that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    main()
