"""A folder of images, and the project dock."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_centermask.io.images import read_image

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _long_lived_set_aside():
    """Leave this to the projects: they set aside for themselves, and let all be visited again when they close."""


@pytest.fixture
def folder(tmp_path, discs):
    """Five images of discs of different sizes, one of them a stack, one with channels, and one damaged."""
    place = tmp_path / "experiment"
    place.mkdir()
    for n, values in enumerate([(1.0, 0.8, 0.6), (0.9, 0.7, 0.5), (0.8, 0.6, 0.9)]):
        image = discs(values=values, shape=(128, 128 + 16 * n))
        tifffile.imwrite(place / f"field {n}.tif", (image * 255).astype(np.uint8))
    stack = np.stack([discs(), discs()])
    tifffile.imwrite(place / "field 3.tif", (stack * 255).astype(np.uint8), imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(place / "field 4.tif", (stack * 255).astype(np.uint8), imagej=True, metadata={"axes": "CYX"})
    (place / "field 5.tif").write_bytes(b"II*\0 nothing")
    return place


@pytest.fixture
def project_dock(viewer, engine, qtbot):
    from napari_centermask.widgets.project.dock import ProjectDock

    dock = ProjectDock(viewer)
    viewer.window.add_dock_widget(dock, name="Project")
    yield dock
    engine.gate.set()
    dock.images.stop_pictures()
    dock.session.close()
    qtbot.waitUntil(lambda: not dock.session.predictions.runner.is_running, timeout=20_000)


@pytest.fixture
def slow(monkeypatch):
    """Images count as large, and reading "field 1" waits for an event."""
    from napari_centermask.widgets.project import loading

    gate = threading.Event()

    def read(path, **options):
        if path.stem == "field 1":
            gate.wait(10)
        if path.stem == "field 2":
            raise RuntimeError("the disk is gone")
        return read_image(path, **options)

    monkeypatch.setattr(loading, "SMALL", 0)
    monkeypatch.setattr(loading, "read_image", read)
    yield gate
    gate.set()
