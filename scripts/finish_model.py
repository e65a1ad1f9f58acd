"""Prepare a trained model for inclusion: export it, evaluate it on annotated folders, and write the figures into its card.

    python scripts/finish_model.py runs/nuclei/best.safetensors --name nuclei --out resources/models/nuclei \
        --default score=0.5 nms=0.6 mask_nms=0.7 --data ../shared/data/dsb2018_fluo ../shared/data/dsb2018_histo

Writes NAME.safetensors and the graphs of its family, with float16 weights. The operating point is chosen
on `val` before (of a CenterMask by scripts/benchmarks/choose_suppression.py, of a U-Net by choose_watershed.py); `--data` is
measured on its `test` split with the diameter estimated. Where masks are weak, `--boxes` measures boxes and categories
instead, and fits the temperature of the probabilities on `val`; `--last` takes the run's last averaged weights, as the best
ones were chosen by the AP of such masks. `--trained-on` adds how large the cells were, which trainings before 29 November 2026
did not record.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import onnx
import torch

from napari_centermask.deploy.benchmark import machine
from napari_centermask.deploy.export import export
from napari_centermask.deploy.half_storage import round_to_half
from napari_centermask.engines.graphs import CARD_KEY
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import evaluate_folder, predictor, read_truth
from napari_centermask.evaluation.methods import Method, at_temperature
from napari_centermask.evaluation.training_curve import thinned
from napari_centermask.evaluation.viability import fit_temperature, judge, report
from napari_centermask.models.families import family_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import load_model, save_model
from napari_centermask.pipeline import with_card_defaults
from napari_centermask.settings import SegmentSettings
from napari_centermask.training.data.scales import usual_diameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--default", nargs="*", default=[], metavar="NAME=VALUE", help="Settings that suit the model.")
    parser.add_argument("--description", default="")
    parser.add_argument(
        "--limit", action="append", default=[], help="What the model was not made for; may be repeated."
    )
    parser.add_argument("--version", default="1", help="Of the included model of this name.")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--boxes", type=Path, help="Folder with several categories whose masks are weak.")
    parser.add_argument("--positive", default="dead", help="The category that counts there.")
    parser.add_argument("--last", type=Path, help="last.pt of the run, whose last averaged weights are taken.")
    parser.add_argument("--trained-on", type=Path, nargs="*", default=[], help="Its data, for the size of their cells.")
    arguments = parser.parse_args()
    model, card = load_model(arguments.weights)
    if arguments.last:
        card = take_last(model, card, arguments.last)
    if arguments.trained_on:
        cells = (record.instances for folder in arguments.trained_on for record in read_truth(folder, "train"))
        card = card.model_copy(update={"training": card.training | {"diameters": usual_diameters(cells)}})
    round_to_half(model)  # the graphs get the weights as they are stored
    if card.training["settings"].get("start"):  # a name for everyone, in place of a path of this machine
        named = card.training["settings"] | {"start": card.parent}
        card = card.model_copy(update={"training": card.training | {"settings": named}})
    defaults = {name: float(value) for name, value in (pair.split("=") for pair in arguments.default)}
    card = card.model_copy(
        update={
            "name": arguments.name,
            "version": arguments.version,
            "defaults": defaults,
            "temperature": 1.0,  # a new one is fitted, or none
            "description": arguments.description or card.description,
            "limits": arguments.limit or card.limits,
        }
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    weights = arguments.out / f"{arguments.name}.safetensors"
    save_model(weights, model, card)
    parity = export(model, card, arguments.out, name=arguments.name)
    metrics = {folder.name: measure(weights, folder, arguments.engine) for folder in arguments.data}
    temperature = card.temperature
    if arguments.boxes:
        temperature, metrics[arguments.boxes.name] = measure_boxes(weights, arguments.boxes, arguments)
    finished = card.model_copy(
        update={
            "temperature": temperature,
            "metrics": card.metrics | {"test": metrics, "parity": parity.differences, "machine": machine()},
            "training": card.training | {"torch": torch.__version__},
        }
    )
    save_model(weights, model, finished)
    for kind in family_of(card).graphs:
        path = arguments.out / f"{arguments.name}.{kind}.onnx"
        graph = onnx.load(path)
        onnx.helper.set_model_props(graph, {CARD_KEY: finished.to_json()})
        onnx.save(graph, path)
    print(json.dumps(metrics, indent=1))


def take_last(model: torch.nn.Module, card: ModelCard, path: Path) -> ModelCard:
    """Fill a model with the last averaged weights of its run; the card tells how long that was."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["average"])
    progress = state["progress"]
    facts = {
        "steps": progress["step"],
        "minutes": round(progress["seconds"] / 60, 1),
        "curves": thinned(progress["curves"]),
        "weights": "the last averaged ones",
    }
    return card.model_copy(update={"training": card.training | facts, "metrics": {}})


def measure_boxes(weights: Path, folder: Path, arguments: argparse.Namespace) -> tuple[float, dict]:
    """The temperature fitted on val, and with it boxes and categories on test."""
    method = Method(str(weights), SegmentSettings(engine=arguments.engine))
    temperature, judged = 1.0, None
    for split in ("val", "test"):
        records = read_truth(folder, split)
        predicted = method.run(records, split)
        cells = [at_temperature(c, temperature) for c in predicted.cells]
        names = list(records[0].instances.categories.values())
        judged = judge(zip((r.instances for r in records), cells, strict=True), names, score=predicted.score)
        if split == "val":
            temperature = round(fit_temperature(judged), 4)
    figures = report(judged, positive=arguments.positive)
    print(folder.name, temperature, figures["per_category"], figures["roc_auc"], figures["box_ap"], flush=True)
    return temperature, figures


def measure(weights: Path, folder: Path, engine_name: str) -> dict:
    """Figures on the folder's test split; per image rows are left to `napari-centermask evaluate`."""
    engine = load_engine(weights, engine=engine_name)
    settings = SegmentSettings()
    report = evaluate_folder(
        folder,
        "test",
        predictor(engine, settings),
        score=with_card_defaults(settings, engine.card).score,
    )
    data = report.to_json()
    print(folder.name, data["n_images"], data["bioimage_ap"]["0.50"], data["bioimage_ap_mean"], flush=True)
    return {k: v for k, v in data.items() if k != "per_image"}


if __name__ == "__main__":
    main()
