"""A smaller student trained with a teacher and without one, from several seeds, judged on the `test` split.

    python scripts/benchmarks/students.py --data ../shared/data/dsb2018_fluo --out students

The student is the model itself with a part of its channels removed, which leaves it with hardly a cell; the plan of a
compression then trains it on the `train` split, for the same number of steps on the same tiles with the teacher's
losses and without. `--train-images` leaves a few annotated images to train on, as most people have them. Nothing is
chosen on `test`. Runs that are there already are not made again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from napari_centermask.deploy.compress.plan import DistilStep, Plan, PruneStep
from napari_centermask.deploy.compress.run import compress
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import evaluate_folder, predictor
from napari_centermask.pipeline import with_card_defaults
from napari_centermask.settings import SegmentSettings

WEIGHTS = {"with": 1.0, "without": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--part", type=float, default=0.5, help="Of the channels, removed by batch-norm scales.")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--split", default="test", help="To judge on.")
    parser.add_argument(
        "--train-images", type=int, help="About so many annotated images to train on, evenly spread; all by default."
    )
    arguments = parser.parse_args()
    arguments.train = arguments.data
    if arguments.train_images:
        arguments.train = _fewer(
            arguments.data, arguments.train_images, arguments.out / f"data-{arguments.train_images}"
        )
    rows = {"teacher": [_score(arguments.model, arguments)]}
    for seed in arguments.seeds:
        for name in WEIGHTS:
            rows.setdefault(name, []).append(_student(name, seed, arguments))
            print(json.dumps(rows), file=sys.stderr, flush=True)
    medians = {name: {key: statistics.median(row[key] for row in of) for key in of[0]} for name, of in rows.items()}
    print(json.dumps({"rows": rows, "medians": medians}, indent=1))


def _fewer(data: Path, number: int, folder: Path) -> Path:
    """A folder with the same images, of which so many are annotated for training."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads((data / "annotations_train.json").read_text())
    images = content["images"][:: -(-len(content["images"]) // number)]
    kept = {image["id"] for image in images}
    cells = [cell for cell in content["annotations"] if cell["image_id"] in kept]
    print(f"{len(images)} images with {len(cells)} cells to train on", file=sys.stderr, flush=True)
    (folder / "annotations_train.json").write_text(json.dumps(content | {"images": images, "annotations": cells}))
    (folder / "annotations_val.json").write_bytes((data / "annotations_val.json").read_bytes())
    if not (folder / "images").is_symlink():
        (folder / "images").symlink_to((data / "images").resolve(), target_is_directory=True)
    return folder


def _student(name: str, seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """What a student scores."""
    model, images = Path(arguments.model).stem, arguments.train_images or "all"
    what = f"{model}-{arguments.part}-{images}-{arguments.steps}-{arguments.learning_rate}"
    folder = arguments.out / what / f"{name}-{seed}"
    plan = Plan(
        model=arguments.model,
        data=arguments.train,
        out=folder,
        most_images=1,
        accepted=1.0,
        steps=[
            PruneStep(part=arguments.part, criterion="batch_norm", round_to=8, steps=0),
            DistilStep(
                steps=arguments.steps,
                batch=8,
                tile=192,
                learning_rate=arguments.learning_rate,
                seed=seed,
                weight=WEIGHTS[name],
            ),
        ],
    )
    if not (folder / "done").is_file():
        compress(plan, say=lambda text: print(f"{name}, seed {seed}: {text}", file=sys.stderr, flush=True))
        (folder / "done").touch()
    return _score(plan.folders[1], arguments)


def _score(model: str | Path, arguments: argparse.Namespace) -> dict[str, float]:
    """AP50 and mean AP at the model's own settings, with the diameter estimated."""
    engine = load_engine(str(model), engine="openvino", device="cpu", precision="float32")
    settings = SegmentSettings()
    score = with_card_defaults(settings, engine.card).score
    report = evaluate_folder(arguments.data, arguments.split, predictor(engine, settings), score=score).to_json()
    return {"ap50": report["bioimage_ap"]["0.50"], "mean": report["bioimage_ap_mean"]}


if __name__ == "__main__":
    main()
