"""Does the ranking find the images that would improve a model most? Compared with random order, without training.

    python scripts/benchmarks/active_learning.py --data ../shared/data/usiigaci_phase --split train --json ranking.json

The ranking does not use annotations, which then show where the model is wrong. The figures are the fraction of all errors (missed
and false cells at IoU 0.50) in the first quarter and half of the images, and the rank correlation of each image's value with its
error 1 - F1. Random order finds a quarter and a half. Finding errors does not yet mean a better model: `learning_curve.py --order
ranked` trains on images in this order.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from napari_centermask.core.ranking import rank_images
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.counts import Counts
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline.progress import run_through
from napari_centermask.pipeline.ranking import signs_steps
from napari_centermask.pipeline.segmentation import with_card_defaults
from napari_centermask.settings import SegmentSettings


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="train")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--most", type=int, default=1000, help="images, evenly drawn")
    parser.add_argument("--json", type=Path, default=Path("ranking.json"))
    options = parser.parse_args()
    engine = load_engine(options.model, engine=options.engine)
    score = with_card_defaults(SegmentSettings(), engine.card).score
    signs, errors, f1 = [], [], []
    records = read_truth(options.data, options.split)
    for record in records[:: max(1, -(-len(records) // options.most))]:
        image = np.asarray(read_plane(record.path, record.plane))
        image_signs, cells = run_through(signs_steps(image, engine, SegmentSettings()))
        report = evaluate([(record.instances, cells, None)], score=score)
        counts: Counts = report.counts[0.5]
        signs.append(image_signs)
        errors.append(counts.fp + counts.fn)
        f1.append(counts.f1 if counts.f1 is not None else 1.0)
        print(record.file_name, errors[-1], round(f1[-1], 3), flush=True)
    order, values = rank_images(signs)
    total, n = sum(errors), len(errors)
    result = {"data": options.data.name, "split": options.split, "n_images": n, "errors": total}
    for part in (0.25, 0.5):
        first = order[: round(part * n)]
        result[f"errors_in_first_{part}"] = sum(errors[k] for k in first) / total
        result[f"mean_error_in_first_{part}"] = float(np.mean([1 - f1[k] for k in first]))
    result["mean_error"] = float(1 - np.mean(f1))
    result["spearman_value_error"] = float(spearmanr(values, 1 - np.array(f1)).statistic)
    for name in ("entropy", "disagreement", "poor_masks"):
        sign = np.array([getattr(s, name) for s in signs])
        result[f"spearman_{name}_error"] = float(spearmanr(sign, 1 - np.array(f1)).statistic)
    options.json.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
