"""The sample images."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from cell_files import PLUGIN

from napari_centermask.core.errors import CannotSave
from napari_centermask.io import files
from napari_centermask.io.coco.document import read_coco
from napari_centermask.widgets.viewer.samples import FOLDER, OUTLINES, TUTORIAL, copy_samples

pytestmark = pytest.mark.usefixtures("plugin")
SAMPLES = {
    "nuclei_fluorescence": (520, 696),
    "nuclei_fluorescence_small": (256, 256),
    "nuclei_histology": (256, 320, 3),
    "nuclei_screen": (520, 696),
    "nuclei_overlapping": (256, 256),
    "cells_phase": (512, 512),
    "yeast_brightfield": (117, 117),
    "livedead_brightfield": (220, 220),
    "bacteria_phase": (320, 320),
    "nuclei_brightfield": (1024, 1024),
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


def test_the_tutorial_has_outlines_of_all_but_its_last_image(tmp_path):
    folder = copy_samples(tmp_path, TUTORIAL)
    images = sorted(folder.glob("*.png"))
    records = read_coco(folder / OUTLINES, images_root=folder)
    assert [record.path for record in records] == images[:4]
    assert len(images) == 5
    assert sum(len(record.instances) for record in records) == 85
    assert "`tutorial/phase_contrast_5.png`" in (folder / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert sum(p.stat().st_size for p in folder.iterdir()) < 2_500_000


def test_a_full_disk_leaves_no_part_of_a_sample_and_the_next_copy_is_whole(tmp_path, monkeypatch):
    def half(path, target):
        Path(target).write_bytes(Path(path).read_bytes()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(files.shutil, "copyfile", half)
        with pytest.raises(CannotSave, match="Make room"):
            copy_samples(tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    sizes = {p.name: p.stat().st_size for p in copy_samples(tmp_path).iterdir()}
    assert len(sizes) == 5
    assert min(sizes.values()) > 100
