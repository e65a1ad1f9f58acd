"""Draw a data set whose cells can only be recognised with all three channels.

    python scripts/make_multichannel.py OUT --train 24 --val 8 --test 8

Three channels are drawn from one ground truth: `nucleus` (a blob in each cell), `cytoplasm` (the cell's body) and `membrane`
(its outline). Each is needed, because some objects are not cells: they lack the nucleus, the cytoplasm or the membrane, and
only that channel shows it; and where cells touch, only the membrane shows where one ends.

The images are written as 16-bit OME-TIFFs with channel names. The signal is in the lowest hundredths of the range, with uneven
light, photon and camera noise. COCO annotations have the whole cells.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_centermask.core.instances import Instance, Instances

NAMES = ("nucleus", "cytoplasm", "membrane")
RADIUS = 13.0
DECOYS = 0.45
"""Part of the things drawn that are no cells, as they lack one of the channels, each as often."""


def draw(seed: int, *, shape: tuple[int, int] = (192, 192), n: int = 40) -> tuple[np.ndarray, Instances]:
    """An image and its cells.

    Parameters
    ----------
    n
        Things to draw, cells and others; fewer where there is no room.

    Returns
    -------
    image
        (3, H, W) uint16, channels as in `NAMES`; background near 200, cells up to about 1,500.
    cells
        Whole cells, body and membrane; they touch and do not overlap.
    """
    rng = np.random.default_rng(seed)
    centres = _places(rng, shape, n)
    labels, depth = _bodies(rng, shape, centres)
    lacks = (rng.random(len(centres)) / DECOYS * 3).astype(int)  # the channel that each lacks; a cell from 3 on
    cells = Instances(shape)
    for number in range(len(centres)):
        mask = labels == number + 1
        if mask.sum() > 60 and lacks[number] >= 3:
            cells.add(Instance.from_mask(mask))
    brightness = np.zeros((3, len(centres) + 1))
    brightness[:, 1:] = rng.uniform(0.8, 1.2, (3, len(centres))) * (lacks != np.arange(3)[:, None])
    parts = (depth < 0.45, labels > 0, _outline(labels))
    planes = [gaussian_filter(np.where(part, b[labels], 0), 0.8) for part, b in zip(parts, brightness, strict=True)]
    return _photographed(rng, np.stack(planes)), cells


def _places(rng: np.random.Generator, shape: tuple[int, int], n: int) -> np.ndarray:
    """(N, 2) centres at least 1.5 radii apart: closer than two, so that many touch."""
    centres: list[np.ndarray] = []
    for _ in range(30 * n):
        centre = rng.uniform(0, shape)
        if all(np.hypot(*(centre - other)) > 1.5 * RADIUS for other in centres):
            centres.append(centre)
        if len(centres) == n:
            break
    return np.array(centres)


def _bodies(rng: np.random.Generator, shape: tuple[int, int], centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which thing each pixel belongs to, from 1 (0 for none), and how far out it lies in it, 1 at the edge."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    labels, depth = np.zeros(shape, int), np.ones(shape)
    for number, (cy, cx) in enumerate(centres, start=1):
        angle, long = rng.uniform(0, np.pi), rng.uniform(1, 1.3)
        u = (y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)
        v = (x - cx) * np.cos(angle) - (y - cy) * np.sin(angle)
        far = np.hypot(u / long, v * long) / RADIUS
        nearer = far < depth
        labels[nearer], depth[nearer] = number, far[nearer]
    return labels, depth


def _outline(labels: np.ndarray) -> np.ndarray:
    """Pixels beside one of another thing or of none."""
    padded = np.pad(labels, 1, mode="edge")
    beside = [padded[1:-1, 2:], padded[1:-1, :-2], padded[2:, 1:-1], padded[:-2, 1:-1]]
    return (labels > 0) & np.any([labels != other for other in beside], axis=0)


def _photographed(rng: np.random.Generator, planes: np.ndarray) -> np.ndarray:
    """Through a microscope with uneven light, a background and noise."""
    height, width = planes.shape[1:]
    y, x = np.mgrid[:height, :width] / max(height, width)
    (cy, cx), fall = rng.uniform(0.3, 0.7, 2), rng.uniform(0.2, 0.6)
    light = 1 - fall * ((y - cy) ** 2 + (x - cx) ** 2)
    photons = rng.poisson((planes * 1000 + 100) * light)
    return (photons + 100 + rng.normal(0, 10, planes.shape)).clip(0, 65535).astype(np.uint16)


def write(folder: Path, *, splits: dict[str, int], seed: int = 0, order: tuple[int, ...] = (0, 1, 2)) -> None:
    """Write `folder`/images and annotations_<split>.json.

    Parameters
    ----------
    splits
        Images of each split.
    order
        Which channel of `NAMES` comes where in the files; their names go along.
    """
    import tifffile

    from napari_centermask.io.coco.document import write_coco
    from napari_centermask.io.coco.image_record import ImageRecord

    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, (split, n) in enumerate(splits.items()):
        records = []
        for k in range(n):
            image, cells = draw(seed + 1000 * number + k)
            name = f"{split}_{k}.ome.tif"
            about = {"axes": "CYX", "Channel": {"Name": [NAMES[c] for c in order]}}
            path = folder / "images" / name
            tifffile.imwrite(path, image[list(order)], ome=True, metadata=about, photometric="minisblack")
            records.append(ImageRecord(k + 1, name, None, cells.shape, cells))
        write_coco(folder / f"annotations_{split}.json", records)


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    for split, n in (("train", 24), ("val", 8), ("test", 8)):
        parser.add_argument(f"--{split}", type=int, default=n, help="images")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    splits = {split: getattr(arguments, split) for split in ("train", "val", "test")}
    write(arguments.out, splits=splits, seed=arguments.seed)


if __name__ == "__main__":
    main()
