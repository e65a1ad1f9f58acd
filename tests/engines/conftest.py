"""The shipped models' graphs, and tiles to run them on."""

import numpy as np
import pytest

from napari_centermask.models.store.zoo import find_model


@pytest.fixture(scope="session")
def nuclei():
    """Files of the shipped CenterMask."""
    files = find_model("nuclei")
    if files.graphs is None:
        pytest.skip("the shipped model has no graphs here")
    return files


@pytest.fixture(scope="session")
def tiles():
    """(1, 3, 128, 160) float32: two bright discs on a dark field with noise, at the size that `nuclei` knows."""
    y, x = np.mgrid[:128, :160]
    field = np.random.default_rng(0).normal(0.05, 0.02, (128, 160))
    for cy, cx in ((50, 45), (75, 110)):
        field[np.hypot(y - cy, x - cx) < 20] += 0.8
    return np.repeat(field[None, None], 3, axis=1).astype(np.float32)
