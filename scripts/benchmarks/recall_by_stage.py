"""At which stage annotated cells are lost: no location, NMS, score, or mask; so that the next improvement is known.

    python scripts/benchmarks/recall_by_stage.py --data ../shared/data/dsb2018_fluo --split test

A cell is found when a predicted mask reaches IoU 0.5. A lost one is counted at the first stage without a candidate whose
box reaches IoU 0.5 with its box: among all locations with a class probability above 0.05; after NMS; after the score
threshold; and as lost by the mask when a box remains but its mask fails.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from napari_centermask.core.instances import Instances
from napari_centermask.core.neighbours import box_iou
from napari_centermask.engines.decode import detect
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.matching import match, pair
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import estimate_diameter, segment
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.segmentation import with_card_defaults
from napari_centermask.settings import SegmentSettings

STAGES = ("found", "no location", "NMS", "score", "mask")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--engine", default="auto")
    arguments = parser.parse_args()
    engine = load_engine(arguments.model, engine=arguments.engine)
    totals = dict.fromkeys(STAGES, 0)
    for record in read_truth(arguments.data, arguments.split):
        image = read_plane(record.path)
        settings = with_card_defaults(SegmentSettings(), engine.card)
        settings = settings.model_copy(update={"diameter": estimate_diameter(image, engine, settings)})
        for stage, count in _stages(image, record.instances, engine, settings).items():
            totals[stage] += count
    n = sum(totals.values())
    rows = {stage: {"cells": count, "part": round(count / max(n, 1), 4)} for stage, count in totals.items()}
    print(json.dumps({"data": arguments.data.name, "split": arguments.split, "n": n, "stages": rows}, indent=1))


def _stages(image: np.ndarray, truth: Instances, engine, settings: SegmentSettings) -> dict[str, int]:
    cells = list(truth)
    wanted = np.array([[i.x0, i.y0, i.box[3], i.box[2]] for i in cells], np.float64).reshape(-1, 4)
    detected = np.zeros(len(cells), bool)
    detected[match(pair(cells, list(segment(image, engine, settings))), 0.5)[0]] = True
    everything = _reached(wanted, _boxes(image, engine, settings, score=0.05, nms=1.0))
    after_nms = _reached(wanted, _boxes(image, engine, settings, score=0.05, nms=settings.nms))
    after_score = _reached(wanted, _boxes(image, engine, settings, score=settings.score, nms=settings.nms))
    lost = ~detected
    return {
        "found": int(detected.sum()),
        "no location": int((lost & ~everything).sum()),
        "NMS": int((lost & everything & ~after_nms).sum()),
        "score": int((lost & after_nms & ~after_score).sum()),
        "mask": int((lost & after_score).sum()),
    }


def _boxes(image: np.ndarray, engine, settings: SegmentSettings, *, score: float, nms: float) -> np.ndarray:
    """(N, 4) boxes in image pixels of the image as one tile."""
    scaled = ModelInput.of(image, engine.card, settings).scaled(engine.card.diameter / settings.diameter)
    height, width = scaled.shape
    features = engine.features(scaled.read((0, 0, height, width)))
    return scaled.to_image(detect(features, engine.card, score=score, nms=nms).boxes)


def _reached(wanted: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) bool: some box reaches IoU 0.5."""
    reached = np.zeros(len(wanted), bool)
    if len(boxes) == 0:
        return reached
    for i, box in enumerate(wanted):
        reached[i] = bool((box_iou(np.broadcast_to(box, boxes.shape), boxes) >= 0.5).any())
    return reached


if __name__ == "__main__":
    main()
