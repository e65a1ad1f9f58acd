"""The learning curve: a model fine-tuned with more and more corrected cells of a new domain, compared with training from scratch.

    python scripts/benchmarks/learning_curve.py --data ../shared/data/usiigaci_phase --known ../shared/data/dsb2018_fluo \\
        --cells 10 25 50 100 200 400 --seeds 0 1 2 --json curve.json

For each number of cells and seed: draw images in random order until they have so many cells, the last one with a reviewed
region only; train with the defaults of one click, from the start model and from scratch; evaluate on the `test` images of the
domain, and with the first seed on those of `--known` for what was forgotten. The checkpoint is chosen on `val`, cut to a fifth
as many cells, as there would be no more in practice. Rows are written one by one, so that a run can be continued.

With `--order ranked`, the training images come in the order of `napari-centermask rank` with the start model: this compares
correcting the first images of the ranking with the same number of cells in random order.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from napari_centermask.cli.output import follow
from napari_centermask.core.instances import Instances
from napari_centermask.deploy.benchmark import machine
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import evaluate_folder, predictor
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.files import link_file
from napari_centermask.jobs.command import command_line, write_run
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline import with_card_defaults
from napari_centermask.pipeline.ranking import ranking_steps
from napari_centermask.settings import SegmentSettings
from napari_centermask.training.run.defaults import suggest


def draw(
    records: list[ImageRecord], n: int, rng: np.random.Generator, *, order: Sequence[int] | None = None
) -> list[ImageRecord]:
    """Images in random or the given order with `n` cells in all; of the last one the rows from the top on that hold the rest."""
    chosen, left = [], n
    for k in rng.permutation(len(records)) if order is None else order:
        record = records[k]
        whole = ((0, 0, *record.shape),)
        if len(record.instances) > left:
            height, width = record.shape
            middles = sorted((c.box[0] + c.box[2]) / 2 for c in record.instances)
            edge = min(height, int(np.floor((middles[left - 1] + middles[left]) / 2)) + 1)
            inside = [c for c in record.instances if (c.box[0] + c.box[2]) / 2 < edge]
            record = replace(record, instances=Instances(record.shape, inside, categories=record.instances.categories))
            whole = ((0, 0, edge, width),)
        chosen.append(replace(record, reviewed=whole))
        left -= len(record.instances)
        if left <= 0:
            break
    return chosen


@lru_cache(maxsize=1)
def ranked(files: tuple[Path, ...], start: str) -> list[int]:
    """The numbers of the images, the most useful for training the start model first."""
    steps = ranking_steps(dict(enumerate(files)), load_engine(start, engine="torch"), SegmentSettings(model=start))
    return list(follow(steps, "images").values)


def make_subset(data: Path, out: Path, n: int | None, seed: int, *, start: str | None = None) -> int:
    """A data folder with `n` training cells and a fifth as many to choose the checkpoint; returns the true number.

    The training images come in the order of their use for training the model `start`; at random if that is None.
    """
    rng = np.random.default_rng(seed)
    (out / "images").mkdir(parents=True, exist_ok=True)
    total = 0
    for split in ("train", "val"):
        records = read_coco(data / f"annotations_{split}.json", images_root=data / "images")
        if n is not None:
            records = [r for r in records if len(r.instances)]
            order = ranked(tuple(r.path for r in records), start) if start and split == "train" else None
            records = draw(records, n if split == "train" else max(5, n // 5), rng, order=order)
        for record in records:
            link_file(record.path, out / "images" / record.file_name)
        write_coco(out / f"annotations_{split}.json", records)
        total += sum(len(r.instances) for r in records) if split == "train" else 0
    return total


def score(model: str, data: Path) -> dict[str, float]:
    """AP50 and mean bioimage AP of a model on the test images, of the cells that a person sees."""
    engine = load_engine(model, engine="torch")
    least = with_card_defaults(SegmentSettings(), engine.card).score
    report = evaluate_folder(data, "test", predictor(engine, SegmentSettings(), min_score=None), score=least).to_json()
    return {"AP50": report["bioimage_ap"]["0.50"], "AP": report["bioimage_ap_mean"]}


def one(options: argparse.Namespace, n: int | None, seed: int, *, scratch: bool) -> dict:
    """Train once and judge."""
    name = f"{options.data.name}-{n or 'all'}-{seed}-{'scratch' if scratch else 'tuned'}"
    is_ranked = options.order == "ranked"
    folder = options.work / (f"{name}-ranked" if is_ranked else name)
    cells = make_subset(options.data, folder / "data", n, seed, start=options.start if is_ranked else None)
    card = None if scratch else find_model(options.start).card
    suggestion = suggest(folder / "data", folder / "run", card=card, start=None if scratch else options.start)
    values = {"seed": seed, "compare": False, "evaluate_first": False}
    if options.replay is not None:
        values["replay"] = options.replay
    if options.steps:
        values |= {"steps": options.steps, "minutes": None, "warmup": options.steps // 10, "ema": 0.99}
        values["evaluate_every"] = max(1, options.steps // 3)
    if options.tile:
        values["tile"] = options.tile
    start = time.monotonic()
    run_file = write_run(suggestion.settings.model_copy(update=values))
    subprocess.run(command_line(run_file), check=True, stdout=subprocess.DEVNULL)
    seconds = round(time.monotonic() - start)
    model = str(folder / "run" / "best.safetensors")
    row = {"cells": cells, "asked": n, "seed": seed, "scratch": scratch, "seconds": seconds, "order": options.order}
    row |= score(model, options.data)
    if options.known and not scratch and seed == options.seeds[0]:
        row["known"] = score(model, options.known)
    return row


def main() -> None:
    """Run what is missing in the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--known", type=Path)
    parser.add_argument("--replay", type=Path, nargs="*")
    parser.add_argument("--start", default="nuclei")
    parser.add_argument("--cells", type=int, nargs="+", default=[10, 25, 50, 100, 200, 400, 0], help="0 for all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="the same for all, instead of the computed number and time")
    parser.add_argument("--tile", type=int, help="instead of the computed one")
    parser.add_argument("--only", choices=("tuned", "scratch"), help="leave the other out")
    parser.add_argument("--order", choices=("random", "ranked"), default="random")
    parser.add_argument("--work", type=Path, default=Path("runs/learning_curve"))
    parser.add_argument("--json", type=Path, default=Path("learning_curve.json"))
    options = parser.parse_args()
    rows = json.loads(options.json.read_text())["rows"] if options.json.exists() else []
    done = {(r["asked"], r["seed"], r["scratch"]) for r in rows if r.get("order", "random") == options.order}
    kinds = [scratch for scratch, name in ((False, "tuned"), (True, "scratch")) if options.only in (None, name)]
    for scratch, seed, n in itertools.product(kinds, options.seeds, (n or None for n in options.cells)):
        if (n, seed, scratch) in done:
            continue
        rows.append(one(options, n, seed, scratch=scratch))
        print(rows[-1], flush=True)
        report = {"start": options.start, "data": options.data.name, "machine": machine(), "rows": rows}
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
