"""How good and how fast the model answers a box drawn around a cell, or a click in it.

    python scripts/benchmarks/prompts.py --data ../shared/data/dsb_overlap_composite --split test

Every annotated cell is prompted twice: by its box, each side off by up to 2 pixels, and by a click deep in it. CPU time of
the process with --threads threads; the first prompt at a place computes the features of its tile, later ones use them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from correction_clicks import SLIP, iou_of, point_in

from napari_centermask.deploy.benchmark import machine
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline.prompt import Prompter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--images", type=int, help="The first so many images; all when not given.")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    engine = load_engine(arguments.model, engine=arguments.engine, threads=arguments.threads)
    n_features: list[int] = []
    compute = engine.features
    engine.features = lambda tiles: n_features.append(1) or compute(tiles)
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[float, float, bool]]] = {"box": [], "click": []}
    for record in read_truth(arguments.data, arguments.split)[: arguments.images]:
        prompter, truth = Prompter(engine, read_plane(record.path)), list(record.instances)
        prompter.click(0, 0)  # estimates the diameter
        for cell in truth:
            asked = {"box": np.array(cell.box) + rng.uniform(-SLIP, SLIP, 4), "click": point_in(cell, truth, rng)}
            for kind, where in asked.items():
                before, start = len(n_features), time.process_time()
                answer = getattr(prompter, kind)(*where)
                spent = 1000 * (time.process_time() - start)
                rows[kind].append((iou_of(answer, cell), spent, len(n_features) > before))
    report = {"data": arguments.data.name, "split": arguments.split, "engine": engine.name, "machine": machine()}
    report |= {"load": os.getloadavg()[0], "threads": arguments.threads}
    print(json.dumps(report | {kind: summary(np.array(r)) for kind, r in rows.items()}, indent=1))


def summary(rows: np.ndarray) -> dict[str, float]:
    """Of (n, 3) IoU, ms, and whether features were computed."""
    later, first = rows[rows[:, 2] == 0, 1], rows[rows[:, 2] == 1, 1]
    return {
        "cells": len(rows),
        "iou_mean": round(rows[:, 0].mean(), 3),
        "iou_above_0.5": round((rows[:, 0] > 0.5).mean(), 3),
        "iou_above_0.75": round((rows[:, 0] > 0.75).mean(), 3),
        "ms_p50": round(float(np.median(later)), 1),
        "ms_p95": round(float(np.quantile(later, 0.95)), 1),
        "first_ms_p50": round(float(np.median(first)), 1) if len(first) else None,
    }


if __name__ == "__main__":
    main()
