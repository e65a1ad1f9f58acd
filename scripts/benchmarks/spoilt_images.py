"""What a model still finds in images with a fault of the microscope: AP50 on `val` images that were spoilt.

    python scripts/benchmarks/spoilt_images.py --data ../shared/data/dsb2018_fluo --images 12

    speck N x    a disk of 0.4 % of the image, N times as bright as its brightest pixel
    few photons  Poisson noise; the 99.8th percentile of the image is N photons
    noise        Gaussian, sigma a part of the range from the 1st to the 99.8th percentile
    inverted     dark cells on a bright ground
    blur         Gaussian, sigma in pixels

All with the settings as they come, and specks also with `preprocess.ignore_specks`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import segment, with_card_defaults
from napari_centermask.settings import PreprocessSettings, SegmentSettings

PART = 0.004
"""A speck's part of the image."""
Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def speckled(image: np.ndarray, _: np.random.Generator, *, brightness: float) -> np.ndarray:
    """The image with a disk at three tenths of its sides, so many times as bright as its brightest pixel."""
    height, width = image.shape[1:]
    y, x = np.ogrid[:height, :width]
    inside = np.hypot(y - 0.3 * height, x - 0.3 * width) <= np.sqrt(PART * height * width / np.pi)
    return np.where(inside, image.max() * np.float32(brightness), image)


def counted(image: np.ndarray, rng: np.random.Generator, *, photons: float) -> np.ndarray:
    """The image in photons, so many of them at its 99.8th percentile."""
    low, high = _range(image)
    return rng.poisson(np.clip((image - low) / (high - low), 0, None) * photons)


def noisy(image: np.ndarray, rng: np.random.Generator, *, sigma: float) -> np.ndarray:
    """The image with noise, sigma as a part of its range."""
    low, high = _range(image)
    return image + rng.normal(0, sigma * (high - low), image.shape)


def inverted(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Dark for bright."""
    return image.max() - image


def blurred(image: np.ndarray, _: np.random.Generator, *, sigma: float) -> np.ndarray:
    """The image out of focus, sigma in pixels."""
    return gaussian_filter(image, (0, sigma, sigma))


def _range(image: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(image, (1, 99.8))
    return float(low), max(float(high), float(low) + 1)


WAYS: dict[str, tuple[Spoil | None, bool]] = {
    "as it is": (None, False),
    **{f"speck {n} x": (partial(speckled, brightness=n), False) for n in (4, 20)},
    **{f"speck {n} x, ignored": (partial(speckled, brightness=n), True) for n in (4, 20)},
    **{f"{n} photons": (partial(counted, photons=n), False) for n in (20, 5)},
    **{f"noise {n}": (partial(noisy, sigma=n), False) for n in (0.1, 0.3)},
    "inverted": (inverted, False),
    **{f"blur {n} px": (partial(blurred, sigma=n), False) for n in (2, 4)},
}


def main() -> None:
    """Print a row for each way to spoil the images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--images", type=int, default=12)
    wanted = parser.parse_args()
    records = read_truth(wanted.data, "val")
    records = records[:: max(1, len(records) // wanted.images)][: wanted.images]
    images = [np.asarray(read_plane(record.path, record.plane)).astype(np.float32) for record in records]
    engine = load_engine(wanted.model)
    score = with_card_defaults(SegmentSettings(), engine.card).score
    for name, (spoil, ignore) in WAYS.items():
        rng = np.random.default_rng(0)
        settings = SegmentSettings(preprocess=PreprocessSettings(ignore_specks=ignore)) if ignore else SegmentSettings()
        pairs = []
        for record, image in zip(records, images, strict=True):
            shown = image if spoil is None else spoil(image, rng).astype(np.float32)
            pairs.append((record.instances, segment(shown, engine, settings), None))
        figures = evaluate(pairs, score=score, details=False).to_json()
        print(f"{name}: AP50 {figures['bioimage_ap']['0.50']:.3f}, F1 {figures['f1']:.3f}", flush=True)


if __name__ == "__main__":
    main()
