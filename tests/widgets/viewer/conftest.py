"""Each format of cells, and modules beside the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_centermask.io.formats import FORMATS

sys.path.insert(0, str(Path(__file__).parent))
NEEDS = {"imagej": "roifile", "ome-zarr": "zarr", "ome-zarr-0.5": "zarr"}


@pytest.fixture(params=FORMATS)
def format(request):
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return FORMATS[request.param]
