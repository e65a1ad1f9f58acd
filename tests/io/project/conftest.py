"""Makes `strokes` importable, and the folder that becomes a project."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def folder(tmp_path):
    """Four images: three single ones and a stack of 2 x 3 planes."""
    place = tmp_path / "experiment"
    place.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a1.png", "a2.png", "a10.png"):
        Image.fromarray(rng.integers(0, 255, (64, 80), np.uint8)).save(place / name)
    stack = rng.integers(0, 255, (2, 3, 64, 80), np.uint8)
    tifffile.imwrite(place / "stack.tif", stack, metadata={"axes": "TZYX"}, imagej=False, ome=True)
    return place
