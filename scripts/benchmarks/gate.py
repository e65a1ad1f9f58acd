"""Is the gate right? Fine-tuning runs, some of them sabotaged, and whether exactly the better models are recommended.

    python scripts/benchmarks/gate.py --data ../shared/data/usiigaci_phase ../shared/data/bbbc039_fluo16 --json gate.json

Each run starts from the included model with `--cells` corrected cells and takes `--steps` steps. As in a real run, the gate
uses the held-out images of the same corrected cells. Whether the new model is better is then measured on the `test` images of
the domain, which no run uses: the central 95 % of the paired bootstrap of its gain in mean AP there are above 0, below 0, or on
both sides, in which case they cannot tell. Sabotage:

    wrong labels   every cell, also the held-out ones, is moved by one diameter in a random direction
    absurd rate    a learning rate of 0.1
    lost cells     two of three cells are deleted, and the rest is marked as complete, also in the held-out images
    early end      one step only, at the usual rate: a model like its parent

Rows are written one by one, so that a run can be continued. `--judge-again` does not train: the models of an earlier run in
`--work` are evaluated with the present code, both gate and reference.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from learning_curve import draw

from napari_centermask.cli.compare import judging_split
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.compare import Judged, compare
from napari_centermask.evaluation.compare_models import compare_models
from napari_centermask.evaluation.folder import evaluate_folder, predictor
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.files import link_file
from napari_centermask.jobs.command import command_line, write_run
from napari_centermask.jobs.finetune import prepare
from napari_centermask.settings import SegmentSettings, TrainSettings

KINDS = ("honest", "wrong labels", "absurd rate", "lost cells", "early end")
Change = Callable[[Instance, tuple[int, int], np.random.Generator], Instance | None]


def moved(cell: Instance, shape: tuple[int, int], rng: np.random.Generator) -> Instance:
    """The cell one diameter away, within the image."""
    angle = rng.uniform(0, 2 * np.pi)
    y = int(np.clip(cell.y0 + cell.diameter * np.sin(angle), 0, shape[0] - cell.mask.shape[0]))
    x = int(np.clip(cell.x0 + cell.diameter * np.cos(angle), 0, shape[1] - cell.mask.shape[1]))
    return replace(cell, y0=y, x0=x)


def thinned(cell: Instance, shape: tuple[int, int], rng: np.random.Generator) -> Instance | None:
    """One cell of three."""
    return cell if rng.random() < 1 / 3 else None


def spoil(record: ImageRecord, change: Change, rng: np.random.Generator) -> ImageRecord:
    """The record with every cell changed or left out."""
    changed = [change(cell, record.shape, rng) for cell in record.instances]
    cells = Instances(record.shape, [c for c in changed if c], categories=record.instances.categories)
    return replace(record, instances=cells)


@lru_cache(maxsize=4)
def found_by(model: str, data: Path) -> list[tuple[ImageRecord, Instances]]:
    """The test images, and the cells that a person sees in them with every setting as it comes."""
    engine = load_engine(model, engine="torch")
    pairs: list[tuple[ImageRecord, Instances]] = []
    predict = predictor(engine, SegmentSettings(), min_score=None)
    evaluate_folder(data, "test", predict, watch=lambda r, cells, *_: pairs.append((r, cells)))
    return pairs


def truth(start: str, model: str, data: Path) -> dict:
    """What the test images say about a model and its parent."""
    pairs = zip(found_by(start, data), found_by(model, data), strict=True)
    images = [Judged(r.file_name, r.instances, old, new) for (r, old), (_, new) in pairs]
    verdict = compare(images, old_score=0.0, new_score=0.0).verdict
    low, high = verdict.interval
    is_better = True if low > 0 else False if high < 0 else None
    return {"gain_on_test": verdict.difference, "interval_on_test": [low, high], "better": is_better}


def one(options: argparse.Namespace, data: Path, kind: str, seed: int) -> dict:
    """One fine-tuning: what the gate said, and what the test images say."""
    folder = options.work / f"{data.name}-{kind.replace(' ', '_')}-{seed}"
    row = {"data": data.name, "kind": kind, "seed": seed}
    if not options.judge_again and not train(options, folder, data, kind, seed):
        return row | {"failed": True, "recommended": False}
    verdict = judge_again(folder / "run") if options.judge_again else read_verdict(folder / "run")
    row |= truth(options.start, str(folder / "run" / "best.safetensors"), data)
    return row | {k: verdict[k] for k in ("recommended", "difference", "luck", "unit", "forgotten")}


def train(options: argparse.Namespace, folder: Path, data: Path, kind: str, seed: int) -> bool:
    """Fine-tune on cells that may be spoilt; False if the training failed."""
    rng = np.random.default_rng(seed)
    records = read_coco(data / "annotations_train.json", images_root=data / "images")
    chosen = draw([r for r in records if len(r.instances)], options.cells, rng)
    change = {"wrong labels": moved, "lost cells": thinned}.get(kind)
    if change is not None:
        chosen = [spoil(r, change, rng) for r in chosen]
    (folder / "corrected" / "images").mkdir(parents=True, exist_ok=True)
    for record in chosen:
        link_file(record.path, folder / "corrected" / "images" / record.file_name)
    write_coco(folder / "corrected" / "annotations.json", chosen)
    settings = prepare(folder / "corrected", options.start, out=folder / "run", seed=seed).settings
    steps = 1 if kind == "early end" else options.steps
    values = {"steps": steps, "minutes": None, "warmup": max(1, steps // 10), "tile": options.tile, "ema": 0.95}
    values |= {"evaluate_every": max(1, steps // 3), "learning_rate": 0.1} if kind == "absurd rate" else {}
    run = write_run(settings.model_copy(update=values))
    return not subprocess.run(command_line(run), stdout=subprocess.DEVNULL, check=False).returncode


def read_verdict(run: Path) -> dict:
    """What the gate said at the end of a training."""
    return json.loads((run / "comparison.json").read_text())["verdict"]


def judge_again(run: Path) -> dict:
    """What the gate says now of the model of a run."""
    settings = TrainSettings.model_validate_json((run / "run.json").read_text())
    engines = [load_engine(m, engine="torch") for m in (settings.start, run / "best.safetensors")]
    return compare_models(settings.data, judging_split(settings.data), *engines, known=settings.replay).to_json()[
        "verdict"
    ]


def summary(rows: list[dict]) -> dict[str, int]:
    """How often the gate was right."""
    judged = [r for r in rows if not r.get("failed")]
    better, worse = ([r for r in judged if r["better"] is b] for b in (True, False))
    return {
        "runs": len(rows),
        "failed": len(rows) - len(judged),
        "better": len(better),
        "better_recommended": sum(r["recommended"] for r in better),
        "worse": len(worse),
        "worse_recommended": sum(r["recommended"] for r in worse),
        "untold": len(judged) - len(better) - len(worse),
        "untold_recommended": sum(r["recommended"] for r in judged if r["better"] is None),
    }


def main() -> None:
    """Run what is missing in the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--start", default="nuclei")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--tile", type=int, default=160)
    parser.add_argument("--judge-again", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("runs/gate"))
    parser.add_argument("--json", type=Path, default=Path("gate.json"))
    options = parser.parse_args()
    rows = json.loads(options.json.read_text())["rows"] if options.json.exists() else []
    done = {(r["data"], r["kind"], r["seed"]) for r in rows}
    for seed, kind, data in itertools.product(options.seeds, options.kinds, options.data):
        if (data.name, kind, seed) in done:
            continue
        rows.append(one(options, data, kind, seed))
        print(rows[-1], flush=True)
        report = {"start": options.start, "cells": options.cells, "steps": options.steps}
        options.json.write_text(json.dumps(report | {"summary": summary(rows), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
