"""How long networks take for a field of many small cells: that of `nuclei` 1, and ones that start at stride 4.

    python scripts/benchmarks/network_cost.py --data ../shared/data/dsb2018_fluo

The field has 1024 x 1024 pixels and 700 nuclei of 22 pixels, cut out of real images and placed without overlaps. Each candidate
has random weights, which take as long as trained ones, and sees the field at its own cell size: the dense graph on all tiles,
the mask heads for the 700 boxes, both on OpenVINO. The candidates take turns; medians in seconds. Then the included models
`nuclei` and `cells` segment the field in turns, with and without a diameter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from napari_centermask.deploy.benchmark import machine
from napari_centermask.deploy.export import export
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.openvino import OpenVinoEngine
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline import segment
from napari_centermask.settings import ModelSettings, SegmentSettings
from napari_centermask.training.data.loader import load_split

SIDE, NUCLEI, DIAMETER = 1024, 700, 22.0
TODAY = {
    "ese": False,
    "top_levels": 0,
    "head_norm": "none",
    "maskiou_channels": 64,
    "maskiou_fc": 128,
    "roi_levels": "area",
}
STRIDE_4 = TODAY | {"first_level": 2, "roi_size": 12}
NARROW = STRIDE_4 | {"fpn_channels": 64, "mask_channels": 64}
CANDIDATES: dict[str, tuple[dict, float]] = {
    "`nuclei` 1, 40 px": (TODAY, 40.0),
    "stride 4, 20 px": (STRIDE_4, 20.0),
    "stride 4, widths of 64, 20 px (`train_cells.json`)": (NARROW, 20.0),
    "stride 4, widths of 64, pooled to 10, 20 px": (NARROW | {"roi_size": 10}, 20.0),
    "stride 4, widths of 64, V-19-slim-dw-eSE, 24 px": (NARROW | {"backbone": "V-19-slim-dw-eSE"}, 24.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Folder whose train images give the nuclei.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--field", type=Path, help="Keep the field as this PNG.")
    arguments = parser.parse_args()
    image, boxes = make_field(arguments.data)
    if arguments.field:
        Image.fromarray(image[0]).save(arguments.field)
    rows = _networks(image, boxes, arguments)
    shipped = _shipped(image, arguments)
    print(json.dumps({"machine": machine(), "cells": len(boxes), "networks": rows, "included": shipped}, indent=1))


def make_field(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(1, H, W) uint8 and (N, 4) float32 boxes x0, y0, x1, y1 of real nuclei at random places."""
    rng = np.random.default_rng(0)
    field = rng.normal(16, 3, (SIDE, SIDE)).clip(0, 255).astype(np.float32)
    taken = np.zeros((SIDE, SIDE), bool)
    boxes: list[tuple[int, int, int, int]] = []
    cut_outs = _cut_outs(folder, rng)
    while len(boxes) < NUCLEI:
        light, mask = cut_outs[int(rng.integers(len(cut_outs)))]
        height, width = mask.shape
        y, x = int(rng.integers(SIDE - height)), int(rng.integers(SIDE - width))
        window = np.s_[y : y + height, x : x + width]
        if not (taken[window] & mask).any():
            taken[window] |= mask
            field[window] += np.where(mask, light, 0)
            boxes.append((x, y, x + width, y + height))
    return field.clip(0, 255).astype(np.uint8)[None], np.array(boxes, np.float32)


def _cut_outs(folder: Path, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Light above the background and mask of nuclei, resized so that an image's typical one has `DIAMETER`."""
    cut_outs = []
    for sample in load_split(folder, "train"):
        if len(sample.image) > 1 or not sample.diameter or sample.image.dtype != np.uint8:
            continue
        dark = float(np.median(sample.image))
        for cell in sample.cells[:20]:
            y0, x0, y1, x1 = cell.box
            size = tuple(max(4, round(side * DIAMETER / sample.diameter)) for side in (x1 - x0, y1 - y0))
            light = Image.fromarray(sample.image[0, y0:y1, x0:x1].astype(np.float32) - dark).resize(size)
            mask = np.asarray(Image.fromarray(cell.mask.view(np.uint8) * np.uint8(255)).resize(size)) >= 128
            if 0.5 * DIAMETER < 2 * np.sqrt(mask.sum() / np.pi) < 1.5 * DIAMETER:
                cut_outs.append((np.asarray(light) + 20, mask))
    rng.shuffle(cut_outs)
    return cut_outs


def _networks(image: np.ndarray, boxes: np.ndarray, arguments: argparse.Namespace) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        engines = {name: _engine(Path(folder), *form, arguments) for name, form in CANDIDATES.items()}
    seconds: dict[str, dict[str, list[float]]] = {name: {"dense": [], "heads": []} for name in engines}
    for number in range(arguments.runs + 1):
        for name, (engine, _) in engines.items():
            dense, heads = _once(engine, image, boxes)
            if number:  # the first one warms up
                seconds[name]["dense"].append(dense)
                seconds[name]["heads"].append(heads)
    rows = []
    for name, parts in seconds.items():
        dense, heads = (statistics.median(parts[part]) for part in ("dense", "heads"))
        row = {"network": name, "parameters": engines[name][1], "dense": dense, "heads": heads, "sum": dense + heads}
        rows.append({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()})
    return rows


def _engine(folder: Path, form: dict, diameter: float, arguments: argparse.Namespace) -> tuple[OpenVinoEngine, int]:
    torch.manual_seed(0)
    model = CenterMask(ModelSettings(**form)).eval()
    card = ModelCard(name="candidate", licence="CC0-1.0", model=model.settings, diameter=diameter)
    export(model, card, folder)
    paths = (folder / f"candidate.{graph}.onnx" for graph in ("dense", "roi"))
    engine = OpenVinoEngine(*paths, card, threads=arguments.threads)
    return engine, sum(p.numel() for p in model.parameters())


def _once(engine: OpenVinoEngine, image: np.ndarray, boxes: np.ndarray) -> tuple[float, float]:
    """Seconds of the dense graph on the whole field, in quarters where it is large, and of the heads for all cells."""
    scale = engine.card.diameter / DIAMETER
    side = -(-round(SIDE * scale) // 32) * 32
    parts = 1 if side <= 1152 else 2
    tile = np.zeros((1, 3, -(-side // (32 * parts)) * 32, -(-side // (32 * parts)) * 32), np.float32)
    start = time.perf_counter()
    for _ in range(parts**2):
        features = engine.features(tile)
    dense = time.perf_counter() - start
    inside = (boxes * scale) % (tile.shape[2] - 2 * engine.card.diameter)
    inside[:, 2:] = inside[:, :2] + (boxes[:, 2:] - boxes[:, :2]) * scale
    start = time.perf_counter()
    for first in range(0, len(boxes), 64):
        part = inside[first : first + 64]
        engine.masks(features, part, np.zeros(len(part), np.int64))
    return dense, time.perf_counter() - start


def _shipped(image: np.ndarray, arguments: argparse.Namespace) -> dict:
    """The included models, in turns."""
    names, diameters = ("nuclei", "cells"), {"automatic diameter": None, "diameter given": DIAMETER}
    engines = {n: load_engine(n, engine="openvino", device="cpu", threads=arguments.threads) for n in names}
    taken, cells = defaultdict(list), {}
    for _ in range(arguments.runs + 1):
        for name in names:
            for what, diameter in diameters.items():
                start = time.perf_counter()
                cells[name, what] = len(segment(image, engines[name], SegmentSettings(diameter=diameter)))
                taken[name, what].append(time.perf_counter() - start)
    seconds = {key: statistics.median(times[1:]) for key, times in taken.items()}  # the first one warms up
    return {
        f"{name}, {what}": {
            "seconds": round(seconds[name, what], 3),
            "ratio": round(seconds[name, what] / seconds["nuclei", what], 3),
            "cells": cells[name, what],
        }
        for name, what in seconds
    }


if __name__ == "__main__":
    main()
