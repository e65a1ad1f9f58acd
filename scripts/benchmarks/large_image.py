"""Images larger than memory: peak memory, time per megapixel against 4096 x 4096, and whether kills change the cells.

    python scripts/benchmarks/large_image.py --fields ../shared/data/bbbc039_fluo16/images --side 20000 --kills 20

Real fields are laid side by side, in an order drawn at random, and written to an OME-Zarr row by row. Each figure is from a
process of its own, which runs `segment_large`. Memory is what the process takes for itself (RssAnon), sampled every 20 ms,
beyond what it takes once the model is loaded and has seen the sample image. For the kills, a second copy of the run is ended
with SIGKILL at random times and started again, until it is done; then all label images and the table are compared with those
of the first.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr

import napari_centermask as ncm
from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.images import read_plane
from napari_centermask.settings import SegmentSettings

CHUNK = 1024
REFERENCE = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=Path, required=True, help="Folder of real fields of one size.")
    parser.add_argument("--side", type=int, default=6144)
    parser.add_argument(
        "--height", type=int, help="Of the large image, if not as its side: memory depends on the width."
    )
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--diameter", type=float, help="Estimated by default.")
    parser.add_argument("--folder", type=Path, help="Where the images go; a temporary folder by default.")
    parser.add_argument("--one", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        image, out = arguments.one
        print(json.dumps(_one(image, out, arguments)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(json.dumps({"machine": machine()} | _all(Path(folder), arguments), indent=1))


def _all(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for side, height in ((REFERENCE, REFERENCE), (arguments.side, arguments.height or arguments.side)):
        image = folder / f"{side}.ome.zarr"
        write_mosaic(image, arguments.fields, (height, side))
        report[f"{side}"] = json.loads(_process(image, folder / f"out_{side}", arguments).communicate()[0])
        print(json.dumps(report), file=sys.stderr, flush=True)
    slow, fast = (report[f"{side}"]["seconds_per_megapixel"] for side in (arguments.side, REFERENCE))
    report["against_4096"] = slow / fast
    if arguments.kills:
        seconds = report[f"{arguments.side}"]["seconds"]
        report["killed"] = _killed(folder / f"{arguments.side}.ome.zarr", folder / "killed", seconds, arguments)
        first, second = (cells_in(folder / f"out_{arguments.side}"), cells_in(folder / "killed"))
        report["equal_after_kills"] = is_equal(first, second)
    return report


def write_mosaic(path: Path, fields: Path, shape: tuple[int, int], *, seed: int = 0) -> None:
    """An OME-Zarr 0.4 of a shape (H, W), written row of fields by row of fields."""
    files = sorted(fields.glob("*.png"))
    first = read_plane(files[0])[0]
    root = zarr.open_group(store=str(path), mode="w", zarr_format=2)
    array = root.create_array(
        "0",
        shape=shape,
        chunks=(CHUNK, CHUNK),
        dtype=first.dtype,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    scale = {"type": "scale", "scale": [1.0, 1.0]}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    axes = [{"name": a, "type": "space"} for a in "yx"]
    root.attrs.update({"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}]})
    draw = random.Random(seed)
    waiting = np.zeros((0, shape[1]), first.dtype)
    y = 0
    while y < shape[0]:
        height = min(CHUNK, shape[0] - y)
        while len(waiting) < height:
            row = [read_plane(draw.choice(files))[0] for _ in range(-(-shape[1] // first.shape[1]))]
            waiting = np.concatenate([waiting, np.concatenate(row, axis=1)[:, : shape[1]]])
        array[y : y + height] = waiting[:height]
        waiting, y = waiting[height:], y + height


def _process(image: Path, out: Path, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--fields", str(arguments.fields), "--model", arguments.model]
    command += ["--diameter", str(arguments.diameter)] if arguments.diameter else []
    return subprocess.Popen([*command, "--one", str(image), str(out)], stdout=subprocess.PIPE)


def _one(image: Path, out: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time and memory of one run."""
    engine = ncm.load_engine(arguments.model)
    ncm.segment(ncm.sample_image(), engine, diameter=SegmentSettings(diameter=20).diameter)
    settings = {"diameter": arguments.diameter} if arguments.diameter else {}
    before = anonymous_mb()
    with peak_memory() as peak:
        start = time.perf_counter()
        large = ncm.segment_large(image, out, engine, **settings)
        seconds = time.perf_counter() - start
    megapixels = large.shape[0] * large.shape[1] / 1e6
    return {
        "shape": large.shape,
        "cells": sum(1 for _ in large.table.rows()),
        "label_images": len(large.labels),
        "seconds": seconds,
        "seconds_per_megapixel": seconds / megapixels,
        "memory_of_the_model_mb": before,
        "peak_beyond_the_model_mb": max(peak) - before,
    }


def anonymous_mb() -> float:
    """Memory of this process that is no file's."""
    line = next(text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Samples of the memory of this process while the block runs."""
    samples, is_over = [anonymous_mb()], threading.Event()

    def sample() -> None:
        while not is_over.wait(0.02):
            samples.append(anonymous_mb())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        is_over.set()
        thread.join()


def _killed(image: Path, out: Path, seconds: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Kill a run at random times, and start it again, until it was killed often enough and is done."""
    draw = random.Random(1)
    kills: list[float] = []
    while True:
        process = _process(image, out, arguments)
        try:
            wait = draw.uniform(0, 2.5 * seconds / arguments.kills) if len(kills) < arguments.kills else None
            process.communicate(timeout=wait)
            return {"kills": len(kills), "after_seconds": kills}
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills.append(wait or 0.0)


def cells_in(out: Path) -> CellsOnDisk:
    return CellsOnDisk.open(next(out.glob("*_cells.ome.zarr")))


def is_equal(a: CellsOnDisk, b: CellsOnDisk) -> bool:
    """Whether all label images and all rows of the tables are equal."""
    if len(a.labels) != len(b.labels) or list(a.table.rows()) != list(b.table.rows()):
        return False
    return all(
        np.array_equal(x[y : y + CHUNK], z[y : y + CHUNK])
        for x, z in zip(a.labels, b.labels, strict=True)
        for y in range(0, a.shape[0], CHUNK)
    )


if __name__ == "__main__":
    main()
