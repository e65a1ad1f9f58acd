"""What each measure against imbalance gains for the classifier of cells, with three seeds.

    OMP_NUM_THREADS=1 python scripts/benchmarks/imbalance.py --data ../shared/data/ldc_livedead --model live-dead

A row for each measure: on val and on test the F1 of the rare category and the ROC-AUC, mean and spread over the seeds. Cells
are the annotated ones, and with `--model` those that it finds, matched by boxes. Choose by the columns for `val`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from napari_centermask.core.instances import Instances
from napari_centermask.core.probabilities import tempered
from napari_centermask.evaluation.curves import roc_auc
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.methods import Method
from napari_centermask.evaluation.viability import Judged, confusion, judge, scores_of
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline.classify import cell_crops, scaled_for
from napari_centermask.settings import ClassifierSettings, ClassifierTraining, SegmentSettings
from napari_centermask.training.run.classifier import train_classifier

ARMS: dict[str, dict] = {
    "none": {"augment": False},
    "class weights": {"augment": False, "class_weights": "balanced"},
    "focal loss, gamma 2": {"augment": False, "focal_gamma": 2.0},
    "oversampling": {"augment": False, "oversample": 1.0},
    "augmentation": {"augment": True},
    "augmentation + class weights": {"augment": True, "class_weights": "balanced"},
    "augmentation + oversampling": {"augment": True, "oversample": 1.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="Finds the cells, or a COCO file of them: cells_{split}.json.")
    parser.add_argument("--score", type=float, help="From which cells count, instead of the model's own.")
    parser.add_argument("--positive", default="dead")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--scaling", default="percentile", choices=["percentile", "background"])
    parser.add_argument("--context", type=float, default=1.6)
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    places = {s: read_cells(arguments.data, s, arguments.model, arguments.score) for s in ("val", "test")}
    rows = {}
    for arm in arguments.arms:
        results = []
        for seed in range(arguments.seeds):
            form = ClassifierSettings(scaling=arguments.scaling, context=arguments.context)
            run = {"data": [arguments.data], "out": Path("-"), "model": form, "epochs": arguments.epochs, "seed": seed}
            model, card = train_classifier(ClassifierTraining(**run, **ARMS[arm]), name=arm)
            figures = {
                f"{split} {kind}": measure(pairs, model, card, arguments.positive)
                for split, kinds in places.items()
                for kind, pairs in kinds.items()
            }
            results.append(figures | {"seconds": card.training["seconds"]})
        rows[arm] = results
        print(arm, *(show(results, key) for key in figures), f"{results[0]['seconds']} s", sep="  |  ", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(vars(arguments) | {"rows": rows}, indent=1, default=str))


def read_cells(folder: Path, split: str, model: str | None, score: float | None) -> dict[str, list]:
    """(image, truth, cells to be judged) of each image, by where the cells come from."""
    records = read_truth(folder, split)
    images = [np.asarray(read_plane(r.path, r.plane)) for r in records]
    truths = [r.instances for r in records]
    cells_by_source = {"annotated": list(zip(images, truths, truths, strict=True))}
    if model:
        run = Method(model, SegmentSettings(**({} if score is None else {"score": score}))).run(records, split)
        cells = [c.filter(min_score=run.score) for c in run.cells]
        cells_by_source["found"] = list(zip(images, truths, cells, strict=True))
    return cells_by_source


def measure(pairs: list, model, card, positive: str) -> dict[str, float | None]:
    """F1 and ROC-AUC of the positive category given the cells."""
    judged = judge(((t, predicted_cells(i, c, model, card)) for i, t, c in pairs), card.model.categories)
    return figures_of(judged, positive)


def predicted_cells(image: np.ndarray, cells: Instances, model, card) -> Instances:
    """The cells with the probabilities of a model that has not been exported."""
    from dataclasses import replace

    form = card.model
    crops = cell_crops(scaled_for(image, cells.shape, card), list(cells), side=form.side, context=form.context)
    with torch.no_grad():
        raw = model(torch.from_numpy(crops)).softmax(dim=1).numpy() if len(crops) else np.zeros((0, 2))
    said = tempered(raw, card.temperature)
    new = [replace(c, category=int(p.argmax()) + 1, probabilities=tuple(p)) for c, p in zip(cells, said, strict=True)]
    return Instances(cells.shape, new, categories=dict(enumerate(form.categories, start=1)))


def figures_of(judged: Judged, positive: str) -> dict[str, float | None]:
    """F1 and ROC-AUC of one category."""
    k = judged.categories.index(positive)
    f1 = scores_of(confusion(judged.truth, judged.predicted, len(judged.categories)))["f1"][k]
    return {"f1": float(f1), "auc": roc_auc(judged.truth == k, judged.probabilities[:, k])}


def show(results: list[dict], key: str) -> str:
    """`val found F1 0.850 +- 0.010 AUC 0.950 +- 0.002`."""
    parts = [key]
    for name in ("f1", "auc"):
        values = [r[key][name] for r in results]
        parts.append(f"{name} {np.mean(values):.3f} +- {np.std(values):.3f}")
    return " ".join(parts)


if __name__ == "__main__":
    main()
