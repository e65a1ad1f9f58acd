"""How long the formats take to write and read an image with many cells, compared with another version of the package.

    python scripts/benchmarks/conversion.py --cells 90000 --before ../former/src

Each format is written and read in a separate process, by this version and, with `--before`, by the one in that folder, one right
after the other, so that both have the same load. Times are CPU seconds. All cells that are read back must be identical.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE = 24
ALL = ("coco", "labels", "imagej", "cellpose", "geojson", "ome-zarr")


def result_with(n: int):
    """Cells of random outline on a grid; every eighth has two parts or a hole."""
    from napari_centermask.core.instances import Instance, Instances
    from napari_centermask.core.result import Result

    rng, per_row = np.random.default_rng(0), int(np.ceil(np.sqrt(n)))
    shape = (SIDE * per_row, SIDE * per_row)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    cells = []
    for k in range(n):
        angle = np.arctan2(y, x)
        radius = 8 + 2 * np.cos(2 * angle + rng.uniform(0, 6)) + np.cos(5 * angle + rng.uniform(0, 6))
        mask = np.hypot(y, x) < radius
        mask[10:13, 10:13] &= k % 8 > 0
        at = SIDE * (k // per_row), SIDE * (k % per_row)
        cells.append(Instance.from_mask(mask, at, id=k + 1, score=float(rng.random()), source="benchmark"))
    result = Result(shape, name="many.tif")
    result.put((), Instances(shape, cells), keep_ids=True)
    return result


def digest(result) -> str:
    """Of all cells with all that they have, so that equal digests are equal results."""
    total = hashlib.sha256()
    for cell in result:
        total.update(repr((cell.box, cell.id, cell.category, cell.score, cell.status, cell.order)).encode())
        total.update(np.packbits(cell.mask).tobytes())
    return total.hexdigest()


def measure(name: str, n: int) -> dict[str, object]:
    """Write and read once in this process."""
    from napari_centermask.io.formats import FORMATS

    format, result = FORMATS[name], result_with(n)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"many{format.ending}"
        start = time.process_time()
        format.write(path, [result])
        written = time.process_time()
        (converted,) = format.read(path).results
        read = time.process_time()
    return {"write": written - start, "read": read - written, "cells": len(converted), "digest": digest(converted)}


def in_process(source: Path | None, name: str, n: int) -> dict:
    """`measure` of the package in a folder."""
    path = {"PYTHONPATH": str(source)} if source is not None else {}
    command = [sys.executable, __file__, "--cells", str(n), "--measure", name]
    done = subprocess.run(command, env=os.environ | path, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=90_000)
    parser.add_argument("--before", type=Path, help="folder `src` of an earlier version")
    parser.add_argument("--formats", default=",".join(ALL))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.cells)))
        return
    print(
        "| format | write, s | read, s | before: write, s | read, s | times as fast | same cells |\n|---|---|---|---|---|---|---|"
    )
    for name in arguments.formats.split(","):
        now = in_process(None, name, arguments.cells)
        row = f"| {name} | {now['write']:.2f} | {now['read']:.2f} |"
        if arguments.before:
            before = in_process(arguments.before, name, arguments.cells)
            ratios = (f"{before[k] / now[k]:.1f}" for k in ("write", "read"))
            row += f" {before['write']:.2f} | {before['read']:.2f} | {', '.join(ratios)} | {now['digest'] == before['digest']} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
