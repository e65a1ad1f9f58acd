"""Results with all that a format may lose: overlaps, holes, debris, categories, statuses, planes, regions."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS

NEEDS = {"imagej": "roifile", "ome-zarr": "zarr", "ome-zarr-0.5": "zarr"}
"""Packages without which a format is left out."""
STATUSES = ("accepted", "rejected", "predicted", "corrected")


@pytest.fixture
def result(cells):
    """Factory: `result(leading=(), rough=True, name="field.png")`; rough masks have holes, parts and debris."""

    def make(leading=(), *, rough=True, name="field.png", statuses=STATUSES):
        rng = np.random.default_rng(3)
        made = Result((120, 140), leading=leading, name=name)
        made.categories = {1: "cell", 3: "bud ü: \\x"}
        for index in np.ndindex(*leading):
            for cell in cells(n=10, overlap=0.5, shape=(120, 140), seed=sum(index) + 1):
                id = made.last_id + 3  # ids have gaps where cells were deleted
                mask = cell.mask & (rng.random(cell.mask.shape) < 0.8) if rough else cell.mask
                fields = {
                    "category": 3 if id % 2 else 1,
                    "score": 0.1 * (id % 10),
                    "mask_quality": 1 / 3,
                    "status": statuses[id % len(statuses)],
                    "source": 'a\nb: "c" \\ü %20',
                    "order": id / 7,
                    "probabilities": (0.25, 0.75) if id % 3 else (),
                    "track": 100 + id % 4,
                    "parent": 7 if id % 4 else 0,
                }
                made.set(index, id, Instance.from_mask(mask, (cell.y0, cell.x0), id=id, **fields))
            made.set_reviewed(index, [(1, 2, 30, 40)])
        return made

    return make


@pytest.fixture
def same():
    """Whether two results are equal to the bit: `same(a, b)`."""
    return _same


def _same(a: Result, b: Result) -> bool:
    """Planes, cells in their order, all their fields and pixels, categories and reviewed regions."""
    return (
        (a.name, a.shape, a.leading, a.categories) == (b.name, b.shape, b.leading, b.categories)
        and (a.reviewed_planes, a.last_id, a.threshold) == (b.reviewed_planes, b.last_id, b.threshold)
        and list(a.planes) == list(b.planes)
        and all(a.plane(i).equals(b.plane(i)) for i in a.planes)
    )


@pytest.fixture
def format(request):
    """A format by its name."""
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return FORMATS[request.param]
