"""What the tutorial's fine-tuning gains, on test images like the tutorial's.

    python scripts/benchmarks/tutorial_gain.py --data ../shared/data/usiigaci_phase --seeds 0 1 2 --json tutorial_gain.json

The command `finetune` takes the tutorial's four images with their 85 outlines (`resources/samples/tutorial`), which come from the
collection's `train` split, and computes every setting that is not given here. Parent and new models are judged on those `test`
images of the collection whose cells are as large as the tutorial's (a median diameter of 50 pixels or more); the command does
not use them. With --runs, models of finished runs are judged instead.
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
from learning_curve import score

from napari_centermask.deploy.benchmark import machine
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.files import link_file

TUTORIAL = Path(__file__).parents[2] / "resources" / "samples" / "tutorial"
LARGE = 50.0
"""Median diameter in pixels from which an image is like the tutorial's: it has large, flat cells, the others spindly ones."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", default="nuclei")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, nargs="*", default=[], help="folders of finished runs to judge instead")
    parser.add_argument("--others", nargs="*", default=[], help="installed models to judge, too")
    parser.add_argument("--json", type=Path, default=Path("tutorial_gain.json"))
    options, more = parser.parse_known_args()  # the rest goes to `finetune`: --steps 200 --tile 160
    with tempfile.TemporaryDirectory() as temporary:
        test = like_the_tutorial(options.data, Path(temporary) / "test")
        rows = [{"model": name} | score(name, test) for name in (options.start, *options.others)]
        print(*rows, sep="\n", flush=True)
        runs = options.runs or (tune(seed, options.start, more, Path(temporary)) for seed in options.seeds)
        for run in runs:
            verdict = json.loads((run / "comparison.json").read_text())["verdict"]["sentence"]
            rows.append({"model": run.name, "verdict": verdict} | score(str(run / "best.safetensors"), test))
            print(rows[-1], flush=True)
            report = {"data": options.data.name, "settings": more, "machine": machine(), "rows": rows}
            options.json.write_text(json.dumps(report, indent=1))


def like_the_tutorial(data: Path, folder: Path) -> Path:
    """A data folder with the test images whose cells are as large as the tutorial's."""
    records = read_coco(data / "annotations_test.json", images_root=data / "images")
    kept = [r for r in records if np.median([c.diameter for c in r.instances]) >= LARGE]
    (folder / "images").mkdir(parents=True)
    for record in kept:
        link_file(record.path, folder / "images" / record.file_name)
    write_coco(folder / "annotations_test.json", kept)
    print(f"{len(kept)} test images with {sum(len(r.instances) for r in kept)} cells", flush=True)
    return folder


def tune(seed: int, start: str, more: list[str], folder: Path) -> Path:
    """Fine-tune on the tutorial's outlines with the command; returns the run folder."""
    data, out = folder / f"data {seed}", folder / f"seed {seed}"
    records = read_coco(TUTORIAL / "outlines.json")
    (data / "images").mkdir(parents=True)
    for record in records:
        link_file(TUTORIAL / record.file_name.replace(" ", "_"), data / "images" / record.file_name)
    write_coco(data / "annotations.json", records)
    command = [sys.executable, "-m", "napari_centermask", "finetune", data, "--start", start, "--seed", str(seed)]
    begun = time.monotonic()
    subprocess.run([*command, "--out", out, *more], check=True, stdout=subprocess.DEVNULL)
    print(f"seed {seed}: {time.monotonic() - begun:.0f} s", flush=True)
    return out


if __name__ == "__main__":
    main()
