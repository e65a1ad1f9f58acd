"""Does a model use its channels? Train a small U-Net on synthetic cells, then leave out each channel.

    python scripts/make_multichannel.py cells
    python scripts/benchmarks/channels.py cells --out runs --seeds 3 --json channels.json

Each seed trains two networks, one with every channel in every tile and one with `drop_channel`. Scored on the split `test`: all
channels; the channels in another order together with their names; and the images without one channel, with the network that
can do without it (it gets an empty channel) and with one trained on the other two.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

from napari_centermask.core.instances import Instances
from napari_centermask.engines import Engine
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.images import read_channel_names, read_plane
from napari_centermask.pipeline import segment
from napari_centermask.settings import AugmentSettings, SegmentSettings, TrainSettings, UNetSettings

DIAMETER = 26.0
"""Typical diameter of the drawn cells, in pixels."""
Case = tuple[np.ndarray, list[str], Instances]


def run_file(data: Path, out: Path, names: list[str], *, drop: float, steps: int, seed: int) -> TrainSettings:
    """The settings of a training that takes about twenty seconds on one core."""
    return TrainSettings(
        data=[data],
        out=out,
        model=UNetSettings(in_channels=len(names), depth=3, width=8),
        channel_names=names,
        diameter=20.0,
        tile=96,
        batch=4,
        steps=steps,
        learning_rate=5e-3,
        warmup=10,
        ema=0.97,
        evaluate_every=steps,
        workers=0,
        amp="off",
        device="cpu",
        seed=seed,
        augment=AugmentSettings(drop_channel=drop, scale=(0.9, 1.1), copy_paste=0.0),
    )


def read_cases(folder: Path, split: str) -> list[Case]:
    """(3, H, W) images with their channels' names and cells."""
    return [(read_plane(r.path), read_channel_names(r.path) or [], r.instances) for r in read_truth(folder, split)]


def score(engine: Engine, cases: list[Case], *, keep: tuple[int, ...]) -> float:
    """Mean bioimage AP at IoU .50 to .90 with the files' channels in this order, some perhaps left out."""
    pairs = []
    for image, names, truth in cases:
        settings = SegmentSettings(diameter=DIAMETER, channel_names=[names[c] for c in keep])
        pairs.append((truth, segment(image[list(keep)], engine, settings), 0.0))
    return evaluate(pairs, score=settings.score).to_json()["bioimage_ap_mean"]


def train(settings: TrainSettings) -> Engine:
    """Train, and load what came out."""
    from napari_centermask.training.run.loop import train as events

    done = [e for e in events(settings) if e.event == "done"][-1]
    return load_engine(done.model, engine="torch", device="cpu")


def measure(data: Path, out: Path, *, seed: int, steps: int) -> dict[str, float]:
    """All scores of one seed."""
    cases = read_cases(data, "test")
    names = cases[0][1]
    everything = tuple(range(len(names)))
    plain = train(run_file(data, out / f"plain_{seed}", names, drop=0.0, steps=steps, seed=seed))
    robust = train(run_file(data, out / f"drop_{seed}", names, drop=0.3, steps=steps, seed=seed))
    scores = {
        "all channels": score(plain, cases, keep=everything),
        "all, drop_channel": score(robust, cases, keep=everything),
    }
    orders = [score(plain, cases, keep=order) for order in itertools.permutations(everything)]
    scores["largest change by order"] = max(orders) - min(orders)
    for c in everything:
        rest = tuple(k for k in everything if k != c)
        scores[f"without {names[c]}, empty"] = score(robust, cases, keep=rest)
        kept = [names[k] for k in rest]
        anew = train(run_file(data, out / f"without_{names[c]}_{seed}", kept, drop=0.0, steps=steps, seed=seed))
        scores[f"without {names[c]}, trained anew"] = score(anew, cases, keep=rest)
    return scores


def main() -> None:
    """Measure all seeds; print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=180)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [measure(arguments.data, arguments.out, seed=s, steps=arguments.steps) for s in range(arguments.seeds)]
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:40s} {np.mean(values):.3f}  {'  '.join(f'{v:.3f}' for v in values)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
