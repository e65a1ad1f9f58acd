"""How long the mask heads take per cell, and what cheaper ones would gain, with the AP.

    python scripts/benchmarks/heads.py --data ../shared/data/dsb2018_fluo ../shared/data/dsb_overlap_composite

"speed": ONNX Runtime, one field, heads called with 16 to 512 cells at once, with and without the mask-IoU head; the calls
take turns, medians. "accuracy", on `val` splits: candidates from several scores on (how many cells go through the heads,
COCO AP), and COCO AP ranked by the detection's score and by score times mask quality, which is all that the mask-IoU head
changes: masks and the bioimage AP do not depend on it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.utils
import onnxruntime

from napari_centermask.core.instances import Instances
from napari_centermask.deploy.benchmark import fill, machine
from napari_centermask.engines import Features
from napari_centermask.engines.decode import detect
from napari_centermask.engines.graphs import roi_feed
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.onnx import OnnxEngine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.images import read_plane
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.segmentation import with_card_defaults
from napari_centermask.settings import SegmentSettings

BATCHES = (16, 32, 64, 128, 256, 512)
FROM_SCORES = (0.2, 0.4, 0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="Folders; the first gives the field for speed."
    )
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--what", nargs="+", default=["speed", "accuracy"])
    arguments = parser.parse_args()
    engine = load_engine(arguments.model, engine="onnx", device="cpu")
    report: dict = {"machine": machine()}
    if "speed" in arguments.what:
        report["speed"] = _speed(engine, arguments)
    if "accuracy" in arguments.what:
        report["accuracy"] = {folder.name: _accuracy(engine, folder) for folder in arguments.data}
    print(json.dumps(report, indent=1))


def _speed(engine: OnnxEngine, arguments: argparse.Namespace) -> dict:
    densest = max(read_truth(arguments.data[0], "val"), key=lambda record: len(record.instances))
    image = fill(read_plane(densest.path), 1024)
    settings = with_card_defaults(SegmentSettings(), engine.card)
    tile = ModelInput.of(image, engine.card, settings).scaled(1.0).read((0, 0, 1024, 1024))
    features = engine.features(tile)
    detections = detect(features, engine.card, score=0.05, nms=1.0)
    times = np.arange(512) % len(detections.boxes)
    boxes, classes = detections.boxes[times], detections.classes[times]
    sessions = {True: engine._roi, False: _without_iou(arguments.model)}
    seconds: dict[tuple[int, bool], list[float]] = {(b, iou): [] for b in BATCHES for iou in (True, False)}
    for number in range(arguments.runs + 1):
        for (batch, iou), taken in seconds.items():
            start = time.perf_counter()
            for first in range(0, len(boxes), batch):
                _heads(sessions[iou], features, boxes[first : first + batch], classes[first : first + batch])
            if number:
                taken.append(time.perf_counter() - start)
    return {
        f"{batch} at once{'' if iou else ', no mask-IoU head'}": round(1000 * statistics.median(t) / len(boxes), 3)
        for (batch, iou), t in seconds.items()
    } | {"unit": "ms per cell"}


def _without_iou(model: str) -> onnxruntime.InferenceSession:
    """The `roi` graph cut down to what its masks need."""
    _, roi = find_model(model).graphs or (None, None)
    whole = onnx.load(roi)
    part = onnx.utils.Extractor(whole).extract_model([i.name for i in whole.graph.input], ["masks"])
    return onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])


def _heads(session, features: Features, boxes: np.ndarray, classes: np.ndarray) -> None:
    feed = roi_feed(features.pyramid, boxes, classes, 0, float(np.prod(features.tile_shape)))
    session.run(None, {i.name: feed[i.name] for i in session.get_inputs()})


def _accuracy(engine: OnnxEngine, folder: Path) -> dict:
    records = read_truth(folder, "val")
    truths = [r.instances for r in records]
    images = [read_plane(r.path) for r in records]
    score = with_card_defaults(SegmentSettings(), engine.card).score
    rows = {}
    for lowest in FROM_SCORES:
        predictions = [segment(image, engine, SegmentSettings(score=lowest)) for image in images]
        for rank in ("score", "score x quality"):
            ranked = [_ranked(f, by_quality=rank != "score") for f in predictions]
            data = evaluate([(t, f, None) for t, f in zip(truths, ranked, strict=True)], score=-1.0).to_json()
            rows[f"from {lowest}, by {rank}"] = {"cells": sum(map(len, predictions)), "coco_AP": data["coco"]["AP"]}
        data = evaluate([(t, f, None) for t, f in zip(truths, predictions, strict=True)], score=score).to_json()
        for rank in ("score", "score x quality"):
            rows[f"from {lowest}, by {rank}"]["bioimage_AP50"] = data["bioimage_ap"]["0.50"]
    return rows


def _ranked(instances: Instances, *, by_quality: bool) -> Instances:
    if not by_quality:
        return instances
    cells = [replace(i, score=i.score * i.mask_quality) for i in instances]
    return Instances(instances.shape, cells, categories=instances.categories)


if __name__ == "__main__":
    main()
