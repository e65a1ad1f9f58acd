"""Networks from scratch against each other: AP over training time, at equal computing time on one machine.

    python scripts/benchmarks/convergence.py --minutes 120 --out convergence --seeds 0 1 2 \\
        --forms centermask-R50 maskrcnn-R50 --data ../shared/data/dsb2018_fluo ../shared/data/dsb_overlap_composite

All get the same tiles, augmentations, optimiser, schedule, norm (batch norm) and computing time, and are evaluated on
`val` as they train; evaluations are not counted in the time. Then each best model is judged on `test`: AP, the
overlapping cells alone, boundaries, the seconds of all images with torch, and the peak memory of training and of
segmenting. `time_to` is the first time at which a part of the best AP of all was reached. The report is
OUT/convergence.json; OUT/RUN/ap.csv has the curves.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from network_cost import NARROW, STRIDE_4, TODAY

from napari_centermask.deploy.benchmark import machine
from napari_centermask.evaluation.training_curve import AP_TABLE
from napari_centermask.settings import AugmentSettings, MaskRCNNSettings, ModelSettings, TrainSettings, UNetSettings

LOOK_S = 0.2
PARTS = (0.5, 0.8, 0.9, 0.95)


def _network(values: dict[str, Any], channels: int) -> ModelSettings:
    return ModelSettings(in_channels=channels, **values)


def _smp(architecture: str, channels: int) -> UNetSettings:
    return UNetSettings(in_channels=channels, architecture=architecture)


FORMS = {
    # R-50 in both, so that the heads and how cells are found differ, not the backbone.
    "centermask-R50": lambda n: ModelSettings(backbone="R-50", in_channels=n, fpn_channels=256, top_levels=0),
    "maskrcnn-R50": lambda n: MaskRCNNSettings(in_channels=n),
    # What we ship, for what it costs.
    "centermask-V19": lambda n: ModelSettings(in_channels=n),
    # The candidates of network_cost.py; their stride asks for --diameter 40 --tile 256, or 20 and 128.
    "stride-8": partial(_network, TODAY),
    "stride-4": partial(_network, STRIDE_4),
    "stride-4-narrow": partial(_network, NARROW),
    "stride-4-narrow-iou": partial(_network, NARROW | {"box_quality": "iou"}),
    "unet": lambda n: UNetSettings(in_channels=n),
    # Those of segmentation-models-pytorch have a ResNet-18 as their encoder.
    **{f"{name}-R18": partial(_smp, name) for name in ("unet", "unet++", "fpn", "deeplabv3+")},
}


def main() -> None:
    """Train, judge and write the report after each model, so that a stop loses nothing that is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float, help="Computing time of each training.")
    parser.add_argument("--steps", type=int, default=1_000_000, help="Most steps; the time is the limit as a rule.")
    parser.add_argument("--evaluate-every", type=int, default=200)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--diameter", type=float, default=40.0)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--split", default="test")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "machine": machine(),
        "options": {k: str(v) for k, v in vars(options).items()},
        "runs": {},
    }
    for seed in options.seeds:
        for name in options.forms:
            run = trained(name, seed, options)
            report["runs"][f"{name}-{seed}"] = run | {
                "judged": [judged(run["model"], f, options) for f in options.data]
            }
            report["time_to"] = times_to(report["runs"])
            (options.out / "convergence.json").write_text(json.dumps(report, indent=1))
    print(json.dumps({"time_to": report["time_to"]}, indent=1))


def trained(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The curve of a training in a process of its own, and what it took."""
    folder = options.out / f"{name}-{seed}"
    settings = TrainSettings(
        data=[path.resolve() for path in options.data],
        out=folder.resolve(),
        model=FORMS[name](options.channels),
        augment=AugmentSettings(scale=(0.5, 1.6)),
        diameter=options.diameter,
        tile=options.tile,
        batch=options.batch,
        steps=options.steps,
        minutes=options.minutes,
        evaluate_every=options.evaluate_every,
        warmup=min(500, max(1, options.steps // 10)),
        seed=seed,
        device=options.device,
    )
    folder.mkdir(parents=True, exist_ok=True)
    run_file = folder / "wanted.json"
    run_file.write_text(settings.model_dump_json(indent=1))
    seconds, peak = watched(["train", str(run_file), "--json"], folder / "events.jsonl")
    with (folder / AP_TABLE).open(newline="") as stream:
        curve = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(stream)]
    return {"model": str(folder / "best.safetensors"), "curve": curve, "seconds": seconds, "peak_mb": peak}


def judged(model: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Accuracy, seconds and memory of a model on the images of a folder, with torch."""
    place = Path(model).with_name(f"{folder.name}_{options.split}.json")
    command = [
        "evaluate",
        "--model",
        model,
        "--data",
        str(folder),
        "--split",
        options.split,
        "--engine",
        "torch",
        "--json",
        str(place),
    ]
    seconds, peak = watched(command, place.with_suffix(".txt"))
    values = json.loads(place.read_text())
    kept = (
        "n_images",
        "n_instances",
        "bioimage_ap",
        "bioimage_ap_mean",
        "AP",
        "AP50",
        "f1",
        "pq",
        "overlap",
        "boundary",
    )
    return {"data": folder.name, "seconds": seconds, "peak_mb": peak} | {k: values[k] for k in kept if k in values}


def watched(arguments: list[str], output: Path) -> tuple[float, int]:
    """Run one of our commands; its seconds, and the peak memory of it and its processes in MB.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    import psutil

    command = [sys.executable, "-m", "napari_centermask", *arguments]
    start, peak = time.perf_counter(), 0
    with output.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream)
        own = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                peak = max(peak, sum(p.memory_info().rss for p in [own, *own.children(recursive=True)]))
            except psutil.Error:
                continue
            time.sleep(LOOK_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - start, peak // 2**20


def times_to(runs: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Seconds of training until each run first had a part of the best AP of all."""
    best = max(point.get("AP", 0.0) for run in runs.values() for point in run["curve"])
    reached: dict[str, dict[str, float | None]] = {}
    for name, run in runs.items():
        reached[name] = {
            f"{part:g} of {best:.3f}": next(
                (p["seconds"] for p in run["curve"] if p.get("AP", 0.0) >= part * best), None
            )
            for part in PARTS
        }
    return reached


if __name__ == "__main__":
    main()
