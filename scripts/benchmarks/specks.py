"""What a bright speck costs, and what `preprocess.ignore_specks` gives back: AP50 of a model on images with and without one.

python scripts/benchmarks/specks.py --data ../shared/data/dsb2018_fluo --images 12
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import segment, with_card_defaults
from napari_centermask.settings import PreprocessSettings, SegmentSettings

PART = 0.004  # of the image


def speckled(image: np.ndarray, brightness: float) -> np.ndarray:
    """The image with a disk at three tenths of its sides, so many times as bright as its brightest pixel."""
    height, width = image.shape[1:]
    y, x = np.ogrid[:height, :width]
    inside = np.hypot(y - 0.3 * height, x - 0.3 * width) <= np.sqrt(PART * height * width / np.pi)
    return np.where(inside, image.max() * np.float32(brightness), image).astype(np.float32)


def main() -> None:
    """Print a row for each brightness of the speck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--images", type=int, default=12)
    wanted = parser.parse_args()
    records = read_truth(wanted.data, "val")
    records = records[:: max(1, len(records) // wanted.images)][: wanted.images]
    engine = load_engine(wanted.model)
    score = with_card_defaults(SegmentSettings(), engine.card).score
    for brightness in (0, 4, 20):
        for ignore in (False, True):
            settings = SegmentSettings(preprocess=PreprocessSettings(ignore_specks=ignore))
            pairs = []
            for record in records:
                image = np.asarray(read_plane(record.path, record.plane))
                shown = speckled(image, brightness) if brightness else image
                pairs.append((record.instances, segment(shown, engine, settings), None))
            figures = evaluate(pairs, score=score, details=False).to_json()
            print(f"{brightness} x, ignore_specks {ignore}: AP50 {figures['bioimage_ap']['0.50']:.3f}", flush=True)


if __name__ == "__main__":
    main()
