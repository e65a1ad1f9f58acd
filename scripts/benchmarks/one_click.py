"""One click with 100 corrected cells: how long it takes with the computed defaults, and whether the model improves.

    python scripts/benchmarks/one_click.py --data ../shared/data/usiigaci_phase --seeds 0 1 2 --all-cells --json one_click.json

The cells are drawn from the train images as in `learning_curve.py`; the command `finetune` does the rest: it holds out a part,
computes every setting, trains and compares. The time is that of the whole command. Parent and new model are then evaluated on
the `test` images, which the command does not use, with the settings as they come. `--all-cells` adds a click with every
annotated cell. Rows are written one by one, so that a run can be continued.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from learning_curve import draw, score

from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.files import link_file


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", default="nuclei")
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, default=Path("one_click.json"))
    parser.add_argument("--all-cells", action="store_true", help="one more click, with all of them and the first seed")
    options = parser.parse_args()
    rows = json.loads(options.json.read_text())["rows"] if options.json.exists() else []
    done = {(r["asked"], r["seed"]) for r in rows}
    parent = rows[0]["parent"] if rows else score(options.start, options.data)
    wanted = [(options.cells, seed) for seed in options.seeds]
    wanted += [(None, options.seeds[0])] if options.all_cells else []
    for asked, seed in (w for w in wanted if w not in done):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(one(options, asked, seed, Path(folder)) | {"parent": parent})
        print(rows[-1], flush=True)
        report = {"data": options.data.name, "start": options.start, "machine": machine(), "rows": rows}
        options.json.write_text(json.dumps(report, indent=1))


def one(options: argparse.Namespace, asked: int | None, seed: int, folder: Path) -> dict:
    """One click with so many cells, or all of them, timed and judged."""
    records = read_coco(options.data / "annotations_train.json", images_root=options.data / "images")
    chosen = [r for r in records if len(r.instances)]
    if asked is not None:
        chosen = draw(chosen, asked, np.random.default_rng(seed))
    (folder / "corrected" / "images").mkdir(parents=True)
    for record in chosen:
        link_file(record.path, folder / "corrected" / "images" / record.file_name)
    write_coco(folder / "corrected" / "annotations.json", chosen)
    command = [sys.executable, "-m", "napari_centermask", "finetune", folder / "corrected", "--start", options.start]
    start = time.monotonic()
    subprocess.run([*command, "--seed", str(seed), "--out", folder / "run"], check=True, stdout=subprocess.DEVNULL)
    seconds = round(time.monotonic() - start)
    verdict = json.loads((folder / "run" / "comparison.json").read_text())["verdict"]
    new = score(str(folder / "run" / "best.safetensors"), options.data)
    return {
        "asked": asked,
        "cells": sum(len(r.instances) for r in chosen),
        "seed": seed,
        "seconds": seconds,
        "recommended": verdict["recommended"],
        "verdict": verdict["sentence"],
        "new": new,
    }


if __name__ == "__main__":
    main()
