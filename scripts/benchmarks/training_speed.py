"""Training steps per second beside the networks of Cellpose and StarDist, on the same tiles, in turns in one run.

    python scripts/benchmarks/training_speed.py --data ../shared/data/dsb2018_fluo \
        --cellpose CELLPOSE_ENVIRONMENT/bin/python --stardist STARDIST_ENVIRONMENT/bin/python

A step is the network forwards, its losses, backwards, and the change of the weights; making the tiles is not counted. Ours
train as `finetune` does, in bfloat16 where the processor has it, and once in float32. Cellpose (PyPI, 3.1.1.2: its network
with 3 x 3 convolutions, not the transformer of version 4, with its losses and optimiser) and StarDist (PyPI, 0.9.2, default
2D configuration with its losses and optimiser) have random weights and get the first channel of the same tiles, in
environments of their own; their targets are random, as the time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from beside import other

from napari_centermask.deploy.benchmark import machine
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.loader import batches
from napari_centermask.training.data.parts import TrainBatch
from napari_centermask.training.run.trainer import Trainer

_CELLPOSE = """
import sys, time, numpy as np, torch
from cellpose.resnet_torch import CPnet
from cellpose.train import _loss_fn_seg
x = np.load(sys.argv[1])
x = torch.from_numpy(np.concatenate([x, np.zeros_like(x)], axis=1))
network = CPnet([2, 32, 64, 128, 256], 3, 3).train()
optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=1e-5)
rng = np.random.default_rng(0)
wanted = rng.uniform(-1, 1, (len(x), 3, *x.shape[2:])).astype(np.float32)
def step():
    optimiser.zero_grad()
    _loss_fn_seg(wanted, network(x)[0], torch.device("cpu")).backward()
    optimiser.step()
"""
_STARDIST = """
import sys, time, numpy as np
from stardist.models import Config2D, StarDist2D
x = np.load(sys.argv[1]).transpose(0, 2, 3, 1)
config = Config2D(train_patch_size=x.shape[1:3], train_batch_size=len(x))
model = StarDist2D(config, name=None, basedir=None)
model.prepare_for_training()
rng = np.random.default_rng(0)
probability = rng.uniform(0, 1, (*x.shape[:3], 1)).astype(np.float32)
distances = rng.uniform(0, 12, (*x.shape[:3], config.n_rays + 1)).astype(np.float32)
def step():
    model.keras_model.train_on_batch(x, [probability, distances])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cellpose", type=Path, help="Python of an environment with cellpose 3.")
    parser.add_argument("--stardist", type=Path, help="Python of an environment with stardist and TensorFlow.")
    parser.add_argument("--models", nargs="+", default=["nuclei", "cells", "unet-nuclei"])
    parser.add_argument("--tile", type=int, default=192)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tiles, cells = _tiles(arguments, Path(folder))
        np.save(Path(folder) / "tiles.npy", tiles)
        calls: dict[str, Callable[[], float]] = {}
        for model in arguments.models:
            for amp in ("auto", "off"):
                calls[f"{model}, {'float32' if amp == 'off' else 'default'}"] = _ours(
                    model, amp, arguments, Path(folder)
                )
        others = {"Cellpose": (arguments.cellpose, _CELLPOSE), "StarDist": (arguments.stardist, _STARDIST)}
        for name, (python, code) in others.items():
            if python:
                calls[name] = other(name, python, code, Path(folder) / "tiles.npy")
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(arguments.runs + 2):
            for name, call in calls.items():
                taken = call()
                print(f"round {number}, {name}: {taken:.2f} s", file=sys.stderr, flush=True)
                if number > 1:
                    seconds[name].append(taken)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    rows = {
        name: {"steps per second": round(1 / s, 3), "cells per second": round(cells / s, 1)}
        for name, s in median.items()
    }
    what = {"tiles": list(tiles.shape), "cells": cells, "runs": arguments.runs}
    print(json.dumps({"machine": machine(), **what, "rows": rows}, indent=1))


def _settings(model: str, amp: str, arguments: argparse.Namespace, folder: Path) -> TrainSettings:
    given = {"data": [arguments.data], "out": folder / f"{model}-{amp}", "start": model, "amp": amp}
    return TrainSettings.model_validate(given | {"tile": arguments.tile, "batch": arguments.batch, "diameter": 24.0})


def _batch(trainer: Trainer) -> TrainBatch:
    return next(iter(batches(trainer.settings)))


def _tiles(arguments: argparse.Namespace, folder: Path) -> tuple[np.ndarray, int]:
    """The first batch of the first model: one channel, (B, 1, H, W) float32, and how many cells it has."""
    trainer = Trainer(_settings(arguments.models[0], "off", arguments, folder))
    batch = _batch(trainer)
    return batch.images[:, :1].numpy(), sum(len(truth.boxes) for truth in batch.truths)


def _ours(model: str, amp: str, arguments: argparse.Namespace, folder: Path) -> Callable[[], float]:
    trainer = Trainer(_settings(model, amp, arguments, folder))
    batch = _batch(trainer)

    def call() -> float:
        start = time.perf_counter()
        trainer.step(batch.images, batch.truths)
        return time.perf_counter() - start

    return call


if __name__ == "__main__":
    main()
