"""Time models against each other on both engines, in turns, on an image of 512 x 512 at the models' own cell size.

python scripts/benchmarks/compressed_speed.py nuclei int8_nuclei/1-quantise --image FIELD.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_centermask.cli.demo import sample_image
from napari_centermask.deploy.compress.table import time_models
from napari_centermask.io.images import read_plane
from napari_centermask.models.store.zoo import find_model


def main() -> None:
    """Print a line for each engine and model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names, files or folders; ratios are to the first")
    parser.add_argument("--image", type=Path, help="the included sample by default")
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    image = read_plane(given.image or sample_image())
    files = [find_model(name) for name in given.models]
    for engine in ("openvino", "onnx"):
        speeds = time_models(files, image, engine=engine, runs=given.runs)
        for name, speed in zip(given.models, speeds, strict=True):
            print(f"{engine:<10}{name:<40}{speed.latency_ms:>8.0f} ms{speeds[0].latency_ms / speed.latency_ms:>7.2f}")


if __name__ == "__main__":
    main()
