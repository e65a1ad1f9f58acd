"""Time models against each other on both engines, in turns, on an image of 512 x 512 at the models' own cell size.

    python scripts/benchmarks/compressed_speed.py nuclei int8_nuclei/1-quantise --image FIELD.png
    python scripts/benchmarks/compressed_speed.py nuclei int8_nuclei/1-quantise --network

With --network, only the graph of an image is timed, on a tile of 512 x 512.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_centermask.cli.demo import sample_image
from napari_centermask.deploy.compress.table import time_models
from napari_centermask.engines.graphs import DENSE_INPUT
from napari_centermask.engines.onnx import open_session
from napari_centermask.engines.openvino import compile_graph
from napari_centermask.io.images import read_plane
from napari_centermask.models.store.zoo import ModelFiles, find_model


def main() -> None:
    """Print a line for each engine and model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names, files or folders; ratios are to the first")
    parser.add_argument("--image", type=Path, help="the included sample by default")
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    image = read_plane(given.image or sample_image())
    files = [find_model(name) for name in given.models]
    for engine in ("openvino", "onnx"):
        if given.network:
            taken = _networks(files, engine, given.runs)
        else:
            taken = [speed.latency_ms for speed in time_models(files, image, engine=engine, runs=given.runs)]
        for name, ms in zip(given.models, taken, strict=True):
            print(f"{engine:<10}{name:<40}{ms:>8.0f} ms{taken[0] / ms:>7.2f}", flush=True)


def _networks(files: list[ModelFiles], engine: str, runs: int) -> list[float]:
    """Milliseconds of the first graph of each model, in turns; the first round is not counted."""
    calls = [_call(one, engine) for one in files]
    rounds = [[_seconds(call) for call in calls] for _ in range(runs + 1)]
    return [1e3 * statistics.median(column[1:]) for column in zip(*rounds, strict=True)]


def _call(files: ModelFiles, engine: str) -> Callable[[], object]:
    assert files.graphs is not None
    feed = {DENSE_INPUT: np.zeros((1, files.card.model.in_channels, 512, 512), np.float32)}
    if engine == "openvino":
        graph = compile_graph(files.graphs[0], "cpu", None)
        return lambda: graph(feed)
    session, _ = open_session(files.graphs[0], "cpu", None)
    return lambda: session.run(None, feed)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
