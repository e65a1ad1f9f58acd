"""Score the averaged model on `val` during training, and keep the best."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_centermask.core.instances import Instances
from napari_centermask.core.regions import rectangles
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.torch import engine_of
from napari_centermask.evaluation.error_maps import write_error_map
from napari_centermask.evaluation.report import evaluate as score_pairs
from napari_centermask.evaluation.training_curve import thinned
from napari_centermask.io.reviewed import centred_within
from napari_centermask.models.families import family_of
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.card_change import replace_card
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.models.store.zoo import read_weights
from napari_centermask.pipeline import segment, with_card_defaults
from napari_centermask.settings import SegmentSettings, TrainSettings
from napari_centermask.training.data.image_store import DECODED, ImageStore
from napari_centermask.training.data.loader import folders_by_name, judging, validation_images
from napari_centermask.training.data.sample import Sample
from napari_centermask.training.run.trainer import Trainer

IMAGES = 40
"""Largest number of images per data folder to score during a run, evenly spaced; `evaluate` scores all. Chosen for speed."""

KNOWN_IMAGES = 8
"""The same for a folder of the start model's data; chosen."""

SCORES = tuple(round(0.3 + 0.05 * k, 2) for k in range(10))
"""Candidates for the lowest score of a CenterMask's cells, chosen by AP; it goes into the card.

The range was chosen; 0.56 of `nuclei` and 0.5 of `live-dead` lie in it.
"""

KNOWN_WORTH = 50
"""The number of new cells that together count half as much as all known ones.

Twenty cells alone chose scores that lost a tenth of the known nuclei (docs/training.md, "The gate"); 50 itself was chosen.
"""

PICTURES = 3
"""Largest number of pictures of validation images per evaluation; chosen."""

Pair = tuple[Instances, Instances, float]


def make_card(settings: TrainSettings, model: Network, *, name: str, parent: ModelCard | None = None) -> ModelCard:
    """The card of a model in training, with the score and suppression of its parent."""
    return ModelCard(
        name=name,
        licence="BSD-3-Clause",
        model=model.settings,
        diameter=settings.diameter,
        normalisation=settings.normalisation,
        preprocess=settings.preprocess.portable,
        channel_names=settings.channel_names,
        percentiles=SegmentSettings.model_fields["percentiles"].default,
        parent=None if parent is None else parent.name,
        defaults={} if parent is None else parent.defaults,
        created=datetime.date.today().isoformat(),
        version="1",
    )


@lru_cache(maxsize=16)
def _samples(folder: Path, most: int, decoded: Path, limit_mb: float) -> list[Sample]:
    return validation_images(folder, most, ImageStore(decoded, limit_mb))


def _images(settings: TrainSettings, folder: Path, most: int = IMAGES) -> list[Sample]:
    """The validation images of a folder; all folders together have the room of the training images in memory."""
    n_folders = len(settings.data) + len(settings.replay)
    return _samples(Path(folder), most, settings.out / DECODED, settings.images_in_memory_mb / n_folders)


def prepare(settings: TrainSettings) -> None:
    """Read the validation images into memory, as a folder may disappear during training."""
    _samples.cache_clear()  # a run before in the same process has removed its decoded images
    for folder in judging(settings.data):
        _images(settings, folder)
    for folder in settings.replay:
        _images(settings, folder, KNOWN_IMAGES)


def evaluate(model: Network, trainer: Trainer) -> dict[str, Any]:
    """Bioimage AP of the model on the `val` images of every data folder.

    Cells are segmented at the diameter that the model estimates, as they will be in use.

    Returns
    -------
    dict
        "AP": mean over the folders of the mean AP at IoU .50:.05:.90, whatever the category, as in every report; "AP50";
        "category_AP50", for a model of several categories: mean over them of the AP at IoU .50 of each alone;
        "boundary_iou" of matched cells, and "miou", "pixel_accuracy" and "dice" of class maps, where they can be measured,
        and all of these "per_folder";
        "AP_known", where there are replay folders: mean AP on their `val`, what the start model was made for;
        "score": the one of `SCORES` that all this was measured at, see `best_score`; None for a U-Net;
        "seconds"; "samples": a picture of a validation image per folder, {"image", "picture"}.
    """
    settings = trainer.settings
    start = time.monotonic()
    card = make_card(settings, model, name="training", parent=trainer.start.card)
    facts = trainer.read_facts()
    sizes = {key: facts[key] for key in ("diameters", "levels") if key in facts}
    card = card.model_copy(update={"training": sizes})
    engine = engine_of(model, card, device=str(trainer.device))
    usual = with_card_defaults(SegmentSettings(), card).score
    tunes_score = family_of(card).tunes_score
    scores = sorted({*SCORES, usual}) if tunes_score else [usual]
    pairs: dict[str, list[Pair]] = {}
    samples: list[dict[str, str]] = []
    for name, folder in folders_by_name(judging(settings.data)).items():
        of_group = pairs.setdefault(name, [])
        for sample in _images(settings, folder):
            of_group.append(_segmented(sample, engine, settings, min_score=scores[0]))
            if len(of_group) == 1 and len(samples) < PICTURES:
                shown = of_group[0][1].filter(min_score=usual)
                samples.append(_picture(settings.out / "samples", name, sample, shown))
    known = {
        name: [_segmented(s, engine, settings, min_score=scores[0]) for s in _images(settings, folder, KNOWN_IMAGES)]
        for name, folder in folders_by_name(settings.replay).items()
    }
    results = {score: _summary(pairs, known, score, model.settings.categories) for score in scores}
    best = best_score(results, usual, n_cells=sum(len(truth) for rows in pairs.values() for truth, *_ in rows))
    chosen = best if tunes_score else None
    return _with_details(results[best], pairs, best) | {
        "score": chosen,
        "seconds": round(time.monotonic() - start, 1),
        "samples": samples,
    }


def quality(result: dict[str, Any]) -> float:
    """By what the best model and its score are chosen: a model of several categories must tell them apart."""
    return float(result.get("category_AP50", result["AP"]))


def best_score(results: dict[float, dict[str, Any]], usual: float, *, n_cells: int) -> float:
    """The score at which the `quality` is highest; of equals, the one nearest to the default.

    The quality of `n_cells` cells counts n / (n + `KNOWN_WORTH`), and any loss in "AP_known", if measured, counts in full:
    few cells alone would choose a score at which many of the known cells are lost. A gain in "AP_known" counts
    nothing, as the model is made for the new cells.
    """
    weight = n_cells / (n_cells + KNOWN_WORTH)
    known = results[usual].get("AP_known", 0.0)

    def worth(score: float) -> float:
        return weight * quality(results[score]) + min(results[score].get("AP_known", 0.0) - known, 0.0)

    return max(results, key=lambda s: (worth(s), -abs(s - usual)))


def _segmented(sample: Sample, engine: AnyEngine, settings: TrainSettings, *, min_score: float) -> Pair:
    """The annotated cells of a sample, the predicted ones, and the seconds it took."""
    options = SegmentSettings(
        channel_names=list(sample.names) or None,
        preprocess=settings.preprocess.microscope,
    )
    clock = time.monotonic()
    region = None if sample.reviewed is None else rectangles(sample.reviewed)
    predicted = segment(sample.image, engine, options, region=region, min_score=min_score)
    return centred_within(sample.instances, sample.reviewed), predicted, time.monotonic() - clock


def _summary(
    pairs: dict[str, list[Pair]], known: dict[str, list[Pair]], score: float, categories: list[str]
) -> dict[str, Any]:
    """Metrics of each folder and their means, for cells of at least a score."""
    per_folder = {
        name: _figures(score_pairs(rows, score=score, details=False).to_json(), categories)
        for name, rows in pairs.items()
    }
    means = {key: _mean([f[key] for f in per_folder.values()]) for key in ("AP", "AP50")}
    each = [_mean(list(f["category_AP50"].values())) for f in per_folder.values() if f.get("category_AP50")]
    if each:
        means["category_AP50"] = _mean(each)
    if known:
        means["AP_known"] = _mean(
            [score_pairs(rows, score=score, details=False).to_json()["bioimage_ap_mean"] for rows in known.values()]
        )
    return means | {"per_folder": per_folder}


def _mean(values: list[float | None]) -> float:
    """The mean of the measured values: a folder without annotated and predicted cells has no AP."""
    measured = [v for v in values if v is not None]
    return sum(measured) / max(len(measured), 1)


def _figures(report: dict[str, Any], categories: list[str]) -> dict[str, Any]:
    figures = {"AP": report["bioimage_ap_mean"], "AP50": report["bioimage_ap"]["0.50"]}
    if len(categories) > 1:
        each = {name: row["bioimage_ap50"] or 0.0 for name, row in report["per_category"].items() if row["n"]}
        figures |= {"category_AP50": each}
    return figures


def _with_details(result: dict[str, Any], pairs: dict[str, list[Pair]], score: float) -> dict[str, Any]:
    """The result with metrics of outlines and class maps, which take longer: measured only at the score that was chosen."""
    each: dict[str, dict[str, float]] = {}
    for name, rows in pairs.items():
        report = score_pairs(rows, score=score).to_json()
        values = {"boundary_iou": report["boundary"]["iou_matched"]}
        values |= {key: report["class_map"][key] for key in ("miou", "pixel_accuracy", "dice")}
        each[name] = {key: value for key, value in values.items() if value is not None}
    keys = dict.fromkeys(key for values in each.values() for key in values)
    means = {key: _mean([values[key] for values in each.values() if key in values]) for key in keys}
    return result | means | {"per_folder": {name: result["per_folder"][name] | each[name] for name in each}}


def _picture(folder: Path, data: str, sample: Sample, predicted: Instances) -> dict[str, str]:
    """Draw an error map of a validation image; the next evaluation overwrites it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{data}_{Path(sample.name).stem}.png"
    write_error_map(path, np.asarray(sample.image), sample.instances, predicted)
    return {"image": f"{data}/{sample.name}", "picture": str(path)}


def save_best(model: Network, trainer: Trainer, result: dict[str, Any]) -> Path:
    """Write `best.safetensors` with its card; the previous best is kept until the new one is complete."""
    settings = trainer.settings
    card = make_card(settings, model, name=settings.out.name, parent=trainer.start.card)
    figures = {k: v for k, v in result.items() if k != "samples"}
    defaults = card.defaults | ({"score": result["score"]} if result.get("score") is not None else {})
    facts = {"training": training_facts(trainer), "metrics": {"val": figures}, "defaults": defaults}
    card = card.model_copy(update=facts)
    path = settings.out / "best.safetensors"
    save_model(path, model, card, half=True)
    return path


def complete_card(path: Path, curves: list[dict[str, Any]]) -> None:
    """Add to the card of the best model what came after it: the curves until the end of the run.

    Raises
    ------
    BadModel, CannotSave, OSError
        If the file cannot be read or written; it stays as it is.
    """
    card = read_weights(path).card
    whole = card.model_copy(update={"training": card.training | {"curves": thinned(curves)}})
    if whole.to_json() != card.to_json():
        replace_card(path, whole)


def training_facts(trainer: Trainer) -> dict[str, Any]:
    """The training record of the card: data by hash, settings, curves, time and machine."""
    settings = trainer.settings
    return (
        trainer.read_facts()
        | {
            "settings": settings.model_dump(mode="json", exclude={"data", "out", "replay", "unlabelled"}),
            "seed": settings.seed,
            "parent_sha256": trainer.start.parent_sha256,
            "steps": trainer.progress.step,
            "minutes": round(trainer.progress.seconds / 60, 1),
            "curves": thinned(trainer.progress.curves),
            "machine": f"{trainer.device.type}, {torch.get_num_threads()} threads, {platform.machine()}",
            "torch": torch.__version__,
        }
        | rented_machine(os.environ)
    )


def rented_machine(variables: Mapping[str, str]) -> dict[str, Any]:
    """The job that trains, for the training record, from the variables that Azure Machine Learning sets; else nothing."""
    names = {
        "job": "AZUREML_RUN_ID",
        "workspace": "AZUREML_ARM_WORKSPACE_NAME",
        "experiment": "AZUREML_ARM_PROJECT_NAME",
    }
    known = {key: variables[name] for key, name in names.items() if name in variables}
    return {"azure": known} if "job" in known else {}
