"""What annotated cells are like: the figures that limits in `core` are based on, see docs/benchmarks.md.

python scripts/benchmarks/annotated_cells.py ../shared/data/dsb2018_fluo ../shared/data/usiigaci_phase
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import label

from napari_centermask.core.columns import solidity
from napari_centermask.core.instances import Instance, intersection
from napari_centermask.core.neighbours import overlapping_pairs
from napari_centermask.core.tools.pairs import drawn, union
from napari_centermask.io.coco.document import read_coco

MEASURED = 100  # cells that the estimate of the diameter looks at
MOST_PAIRS = 3000
MANY = 150  # cells of an image, from which on a sample of them is compared with all


def of_folder(folder: Path) -> dict[str, object]:
    """Figures of all splits of a data folder."""
    rng = np.random.default_rng(0)
    whole: list[float] = []
    joined: list[float] = []
    ious: list[float] = []
    covers: list[float] = []
    small: list[float] = []
    off: list[float] = []
    for path in sorted(folder.glob("annotations_*.json")):
        for cells in (list(record.instances) for record in read_coco(path)):
            if not cells:
                continue
            areas = np.array([c.area for c in cells])
            small += (areas < np.median(areas) / 20).tolist()
            whole += [solidity(c.mask) for c in cells]
            diameters = np.array([c.diameter for c in cells])
            if len(cells) > MANY:
                some = [np.median(rng.choice(diameters, MEASURED, replace=False)) for _ in range(20)]
                off += np.abs(np.array(some) / np.median(diameters) - 1).tolist()
            for a, b in near(cells):
                shared = intersection(a, b)
                if shared:
                    ious.append(shared / (a.area + b.area - shared))
                    covers.append(shared / min(a.area, b.area))
                both = drawn(a, box := union([a.box, b.box])) | drawn(b, box)
                if len(joined) < MOST_PAIRS and label(both)[1] == 1:
                    joined.append(solidity(both))
    return {
        "cells": len(whole),
        "solidity, 5 % / median": quantiles(whole, 0.05, 0.5),
        "solidity below 0.92": f"{np.mean(np.array(whole) < 0.92):.1%}",
        "two touching as one, 5 % / median": quantiles(joined, 0.05, 0.5),
        "largest IoU of two": f"{max(ious, default=0.0):.2f}",
        "part covered, 95 % / most": quantiles(covers, 0.95, 1),
        "below 1/20 of the median area": f"{np.mean(small):.1%}",
        "median of 100 cells off by, 95 %": quantiles(off, 0.95),
    }


def near(cells: Sequence[Instance]) -> list[tuple[Instance, Instance]]:
    """Pairs whose boxes meet or touch."""
    boxes = np.array([c.box for c in cells], float) + np.array([-1, -1, 1, 1])
    i, j = overlapping_pairs(boxes)
    return [(cells[a], cells[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)]


def quantiles(values: Sequence[float], *at: float) -> str:
    """Quantiles as text; a dash where nothing was measured."""
    return " / ".join(f"{q:.2f}" for q in np.quantile(values, at)) if len(values) else "-"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(Path(name).name, *(f"{k}: {v}" for k, v in of_folder(Path(name)).items()), sep="\n  ", flush=True)
