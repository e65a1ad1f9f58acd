"""How accurate the estimated diameters are, how long they take, and the resulting AP.

    python scripts/benchmarks/diameters.py --data ../shared/data/dsb2018_fluo ../shared/data/bbbc039_fluo16 --images 14

On evenly chosen `val` images: the difference between the estimate and the median of the annotated cells, in octaves (0.5 is a
factor of 1.41); the pixels that the network processes for the estimate, as a fraction of those of the run; the bioimage AP.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.report import evaluate
from napari_centermask.pipeline import estimate_diameter, segment, with_card_defaults
from napari_centermask.settings import SegmentSettings
from napari_centermask.training.data.image_store import ImageStore
from napari_centermask.training.data.loader import validation_images
from napari_centermask.training.data.sample import Sample

_MEMORY_MB = 2000  # of decoded images


class _Counted:
    """An engine that counts the pixels that its network sees."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.pixels = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def features(self, tiles: np.ndarray) -> Any:
        self.pixels += tiles.shape[2] * tiles.shape[3]
        return self._engine.features(tiles)

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        self.pixels += tiles.shape[2] * tiles.shape[3]
        return self._engine.maps(tiles)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--images", type=int, default=14, help="Most of each folder.")
    arguments = parser.parse_args()
    engine = load_engine(arguments.model, engine="openvino", device="cpu")
    rows = {folder.name: _row(folder, engine, arguments.images) for folder in arguments.data}
    print(json.dumps(rows, indent=1))


def _row(folder: Path, engine: Any, most: int) -> dict[str, Any]:
    with TemporaryDirectory() as decoded:
        return _row_of(validation_images(folder, most, ImageStore(Path(decoded), _MEMORY_MB)), engine)


def _row_of(samples: list[Sample], engine: Any) -> dict[str, Any]:
    pairs, octaves, pixels = [], [], [0, 0]
    for sample in samples:
        estimating, running = _Counted(engine), _Counted(engine)
        diameter = estimate_diameter(sample.image, estimating)
        instances = segment(sample.image, running, SegmentSettings(diameter=diameter))
        pairs.append((sample.instances, instances, None))
        octaves += [abs(float(np.log2(diameter / sample.diameter)))] if sample.diameter else []
        pixels = [pixels[0] + estimating.pixels, pixels[1] + running.pixels]
    report = evaluate(pairs, score=with_card_defaults(SegmentSettings(), engine.card).score).to_json()
    return {
        "images": len(samples),
        "octaves, median": round(float(np.median(octaves)), 3),
        "octaves, most": round(max(octaves), 2),
        "part of the run": round(pixels[0] / pixels[1], 3),
        "AP50": round(report["bioimage_ap"]["0.50"], 3),
        "AP": round(report["bioimage_ap_mean"], 3),
    }


if __name__ == "__main__":
    main()
