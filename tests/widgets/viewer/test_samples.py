"""The sample images."""

from __future__ import annotations

import pytest
from cell_files import PLUGIN

from napari_centermask.widgets.viewer.samples import FOLDER

pytestmark = pytest.mark.usefixtures("plugin")
SAMPLES = {
    "nuclei_fluorescence": (520, 696),
    "nuclei_fluorescence_small": (256, 256),
    "nuclei_histology": (256, 320, 3),
    "nuclei_screen": (520, 696),
    "nuclei_overlapping": (256, 256),
    "cells_phase": (512, 512),
}


@pytest.mark.parametrize(("key", "shape"), SAMPLES.items())
def test_every_sample_opens_as_an_image(viewer, key, shape):
    (layer,) = viewer.open_sample(PLUGIN, key)
    assert layer.data.shape == shape
    assert layer.rgb == (len(shape) == 3)


def test_samples_are_attributed_and_small():
    text = (FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    images = list(FOLDER.glob("*.png"))
    assert len(images) == len(SAMPLES)
    assert all(image.name in text for image in images)
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 3_000_000
