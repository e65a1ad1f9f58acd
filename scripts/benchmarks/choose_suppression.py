"""Which suppression loses the fewest overlapping cells, measured on a `val` split; `test` is not used.

    python scripts/benchmarks/choose_suppression.py --data ../shared/data/dsb_overlap_composite

Rows: IoU of box NMS, or soft-NMS; the fraction of a cell that a better one may cover (mask suppression); the score.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from napari_centermask.core.covered import drop_covered
from napari_centermask.core.instances import Instances
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings

BOX = (0.5, 0.6, 0.7, 0.8, 0.9)
COVERED = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SCORES = (0.3, 0.4, 0.5, 0.6)
SIGMA = 0.5  # of soft-NMS, as its paper has it (arXiv 1704.04503)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--scores", type=float, nargs="+", default=SCORES)
    arguments = parser.parse_args()
    engine = load_engine(arguments.model, engine=arguments.engine)
    records = read_truth(arguments.data, "val")
    images = [read_plane(r.path) for r in records]
    print(f"{'box NMS':>9}{'covered':>9}{'score':>7}{'AP50':>8}{'AP mean':>9}{'overlap recall':>16}{'overlap IoU':>13}")
    for name, soft in [(f"{b:.1f}", 0.0) for b in BOX] + [("soft", SIGMA)]:
        settings = SegmentSettings(
            nms=0.6 if soft else float(name), soft_nms=soft, mask_nms=1.0, score=min(arguments.scores)
        )
        predictions = [segment(image, engine, settings) for image in images]
        for covered in COVERED:
            for score in arguments.scores:
                pairs = [
                    (r.instances, _kept(f, covered, score), None) for r, f in zip(records, predictions, strict=True)
                ]
                data = evaluate(pairs).to_json()
                values = data["bioimage_ap"]["0.50"], data["bioimage_ap_mean"], data["overlap"]["recall50"]
                row = f"{name:>9}{covered:>9.1f}{score:>7.2f}{values[0]:>8.4f}{values[1]:>9.4f}{values[2]:>16.4f}"
                print(row + f"{data['overlap']['mean_iou']:>13.4f}", flush=True)


def _kept(instances: Instances, covered: float, score: float) -> Instances:
    strong = [replace(i) for i in instances if i.score >= score]
    return Instances(instances.shape, drop_covered(strong, covered), categories=instances.categories)


if __name__ == "__main__":
    main()
