"""Limits of the code that decide about time or exactness alone, each compared with other values.

    OMP_NUM_THREADS=1 python scripts/benchmarks/limits.py --data ../shared/data

Prints a line for each limit: its name, then what each value costs. Times are the least of several rounds, so that other
programs disturb them little; compare them within a line.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np

from napari_centermask.core import columns, compose, illumination, normalise, paste
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.engines import suppress
from napari_centermask.engines.classifier import load_classifier
from napari_centermask.engines.load import load_engine
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.images import read_plane

ROUNDS = 5
SHAPE = (2048, 2048)
DISC = np.hypot(*np.mgrid[-12:13, -12:13]) <= 12


def least_ms(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Milliseconds of the fastest round."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        taken.append(time.perf_counter() - start)
    return 1e3 * min(taken)


def discs(n: int) -> Instances:
    """Discs of 25 pixels at random places."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, SHAPE[0] - 25, (n, 2)).tolist()
    cells = [Instance(k, y, x, DISC, score=0.9) for k, (y, x) in enumerate(places, start=1)]
    return Instances(SHAPE, cells, categories={1: "cell"})


def neighbours(data: Path) -> Iterator[str]:
    """`core.columns._FEW`, `_MANY`: neighbours of cells among 5,000, one by one or by trees; cells in a row, and scattered."""
    result = Result(SHAPE)
    result.put((), discs(5000))
    table = columns.Columns(result)
    scattered = table.alive()
    ordered = scattered[np.argsort(table.data["box"][scattered, 0])]

    def both(rows: np.ndarray) -> str:
        return f"{least_ms(lambda: table._seek(rows)):.1f} or {least_ms(lambda: table._pairs(rows)):.1f} ms"

    for n in (12, 24, 48, 96, 192, 1000):
        yield f"{n} cells: {both(ordered[2000 : 2000 + n])}, scattered {both(scattered[:n])}"


def directions(data: Path) -> Iterator[str]:
    """`core.columns._DIRECTIONS`: solidity from so many directions, compared with the exact hull of the pixels' centres."""
    from scipy.spatial import ConvexHull

    cells = [c.mask for r in read_coco(data / "dsb2018_fluo" / "annotations_val.json") for c in r.instances]
    masks = [m for m in cells if min(m.shape) > 2][:500]
    exact = [min(1.0, m.sum() / ConvexHull(np.argwhere(m)).volume) for m in masks]
    for n in (8, 16, 32, 64, 128):
        vectors, sides = columns._fan(n)
        with patch.multiple(columns, _VECTORS=vectors, _SIDES=sides):
            off = np.abs(np.array([columns.solidity(m) for m in masks]) - exact)
            each = least_ms(lambda: [columns.solidity(m) for m in masks]) / len(masks)
        yield f"{n}: off by {np.quantile(off, 0.95):.3f} (95 %), {1e3 * each:.0f} us"


def strips(data: Path) -> Iterator[str]:
    """`core.compose._STRIP`: drawing 5,000 cells in parts of so many rows and columns, all and the slowest step."""
    cells = discs(5000)
    for part in ((64, 4096), (256, 1024), (256, 4096), (1024, 1024), (2048, 2048)):
        with patch.object(compose, "_STRIP", part):
            taken = []
            for _ in range(ROUNDS):
                views = compose.Views(cells, later=True)
                taken.append(list(spans(views.steps())))
            whole, slowest = min(map(sum, taken)), min(map(max, taken))
            yield f"{part[0]} x {part[1]}: {1e3 * whole:.0f} ms, {1e3 * slowest:.0f} ms"


def spans(steps: Iterator[object]) -> Iterator[float]:
    """Seconds of each step."""
    start = time.perf_counter()
    for _ in steps:
        yield time.perf_counter() - start
        start = time.perf_counter()


def sampled(data: Path) -> Iterator[str]:
    """`core.normalise.SAMPLE`: how far the percentiles of so many pixels lie from those of all, as a part of their range."""
    image = mosaic(data)
    lo, hi = normalise.intensity_range(image, sample=image[0].size)
    for sample in (1 << 14, 1 << 16, 1 << 18, 1 << 20):
        low, high = normalise.intensity_range(image, sample=sample)
        off = max(abs(low - lo).max(), abs(high - hi).max()) / (hi - lo).max()
        took = least_ms(lambda n=sample: normalise.intensity_range(image, sample=n), 3)
        yield f"{sample:,}: {off:.2%}, {took:.0f} ms"


def grid(data: Path) -> Iterator[str]:
    """`core.illumination._FINE`: backgrounds from a grid of so many points per size, compared with one of 50."""
    image = mosaic(data, 2)
    spread = float(np.subtract(*np.percentile(image, (99.8, 1))))
    for kind in ("gaussian", "tophat", "rolling_ball"):
        found = {}
        for fine in (4, 8, 16, 50):
            with patch.object(illumination, "_FINE", float(fine)):
                view = illumination.Corrected(image, illumination.Correction(kind, 100.0))
                start = time.perf_counter()
                found[fine] = (
                    view.background(0, range(image.shape[1]), range(image.shape[2])),
                    time.perf_counter() - start,
                )
        exact = found[50][0]
        texts = (f"{n}: {np.quantile(abs(b - exact), 0.99) / spread:.2%} in {t:.2f} s" for n, (b, t) in found.items())
        yield f"{kind} {', '.join(texts)}"


def buckets(data: Path) -> Iterator[str]:
    """`core.paste._BUCKET` and `_CHUNK`: pasting 2,000 masks of 10 to 60 pixels."""
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, 1900, (2000, 2)), rng.uniform(10, 60, (2000, 2))
    boxes, masks = np.concatenate([corner, corner + side], axis=1), rng.random((2000, 28, 28), np.float32)
    for bucket in (1, 4, 16, 64):
        with patch.object(paste, "_BUCKET", bucket):
            yield f"_BUCKET {bucket}: {least_ms(lambda: paste.paste_many(masks, boxes, SHAPE)):.0f} ms"
    for chunk in (1 << 16, 1 << 19, 1 << 22, 1 << 24):
        with patch.object(paste, "_CHUNK", chunk):
            yield f"_CHUNK {chunk:,}: {least_ms(lambda: paste.paste_many(masks, boxes, SHAPE)):.0f} ms"


def blocks(data: Path) -> Iterator[str]:
    """`engines.suppress._BLOCK`: suppression of 20,000 boxes, spread out and all near one place."""
    rng = np.random.default_rng(0)
    scores, classes = rng.random(20_000), np.zeros(20_000, int)
    for block in (256, 1024, 4096, 20_000):
        taken = []
        for reach in (2000, 20):
            corner = rng.uniform(0, reach, (20_000, 2))
            boxes = np.concatenate([corner, corner + rng.uniform(20, 40, (20_000, 2))], axis=1)
            n = 20_000 if reach > 20 else 4000
            with patch.object(suppress, "_BLOCK", block):
                taken.append(least_ms(lambda b=boxes, n=n: suppress.nms_boxes(b[:n], scores[:n], classes[:n], 0.5), 2))
        yield f"{block}: {taken[0]:.0f} ms, near one place (4,000) {taken[1]:.0f} ms"


def heads(data: Path) -> Iterator[str]:
    """`pipeline.detections._HEAD_BATCH`: masks of so many cells at a time, and `engines.classifier._BATCH`: probabilities."""
    rng = np.random.default_rng(0)
    engine = load_engine("nuclei", engine="openvino", threads=1)
    features = engine.features(rng.random((1, engine.card.model.in_channels, 512, 512), np.float32))
    corner = rng.uniform(0, 440, (256, 2))
    boxes = np.concatenate([corner, corner + 40], axis=1).astype(np.float32)
    classes = np.zeros(256, np.int64)
    for n in (16, 64, 256):

        def act(n: int = n) -> None:
            for k in range(0, 256, n):
                engine.masks(features, boxes[k : k + n], classes[k : k + n])

        yield f"masks of {n}: {least_ms(act, 3) / 256:.2f} ms per cell"
    classifier = load_classifier("live-dead", threads=1)
    model = classifier.card.model
    for n in (64, 256, 1024):
        crops = rng.random((n, model.in_channels + 1, model.side, model.side), np.float32)
        took = least_ms(lambda c=crops: classifier._run(c), 3)
        yield f"probabilities of {n}: {1e3 * took / n:.0f} us per cell, {took:.0f} ms together"


def medians(data: Path) -> Iterator[str]:
    """`pipeline.detections._MEASURED`: how far the median diameter of so many cells lies from that of all of an image."""
    rng = np.random.default_rng(0)
    sizes = [
        np.array([c.diameter for c in record.instances])
        for name in ("bbbc039_fluo16", "dsb2018_fluo")
        for record in read_coco(data / name / "annotations_train.json")
    ]
    for n in (10, 20, 40, 80):
        off = [
            abs(np.median(rng.choice(s, n, replace=False)) / np.median(s) - 1)
            for s in sizes
            if len(s) > 120
            for _ in range(20)
        ]
        yield f"{n}: {np.median(off):.1%}, 95 % below {np.quantile(off, 0.95):.1%}"


def mosaic(data: Path, side: int = 4) -> np.ndarray:
    """(1, H, W) of real fields side by side."""
    paths = sorted((data / "bbbc039_fluo16" / "images").glob("*.png"))[: side * side]
    fields = [np.asarray(read_plane(path))[0] for path in paths]
    return np.concatenate([np.concatenate(fields[k : k + side], axis=1) for k in range(0, side * side, side)])[None]


MEASUREMENTS = (neighbours, directions, strips, sampled, grid, buckets, blocks, heads, medians)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=[m.__name__ for m in MEASUREMENTS])
    arguments = parser.parse_args()
    for measure in MEASUREMENTS:
        if arguments.only is None or measure.__name__ in arguments.only:
            print(measure.__doc__)
            for line in measure(arguments.data):
                print(f"  {line}", flush=True)
