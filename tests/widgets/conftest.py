"""A small engine in numpy, so that docks are tested without a model; and viewers that close their sessions."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from napari_centermask.engines import Features
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import ModelFiles
from napari_centermask.settings import ModelSettings

os.environ["NAPARI_STRICT_QT"] = "1"  # leaked timers, threads and widgets fail the test
_STRIDES = (8, 16, 32)


@dataclass
class FakeEngine:
    """Bright connected parts are cells; the score is their mean brightness.

    `gate` holds each tile back until it is set; `calls` counts tiles.
    """

    card: ModelCard
    name: str = "fake"
    device: str = "cpu"
    precision: str = "float32"
    batch: int = 1
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    calls: int = 0

    def features(self, tiles: np.ndarray) -> Features:
        from scipy.ndimage import find_objects, label

        self.calls += 1
        self.entered.set()
        if not self.gate.wait(30):
            raise RuntimeError("The test never opened the gate.")
        _, _, height, width = tiles.shape
        levels = [(height // s, width // s) for s in _STRIDES]
        n = sum(h * w for h, w in levels)
        logits = np.full((1, n, len(self.card.model.categories)), -20, np.float32)
        ltrb, centerness = np.zeros((1, n, 4), np.float32), np.full((1, n), 20, np.float32)
        image = tiles[0].mean(axis=0)
        labels, _ = label(image > 0.3)
        for k, (ys, xs) in enumerate(find_objects(labels), start=1):
            y, x = (ys.start + ys.stop) // 16, (xs.start + xs.stop) // 16
            at = min(y, levels[0][0] - 1) * levels[0][1] + min(x, levels[0][1] - 1)
            cy, cx = y * 8 + 4, x * 8 + 4
            ltrb[0, at] = cx - xs.start, cy - ys.start, xs.stop - cx, ys.stop - cy
            p = float(np.clip(image[labels == k].mean(), 0.02, 0.98)) ** 2
            logits[0, at, k % logits.shape[2]] = np.log(p / (1 - p))
        return Features((height, width), (tiles,), logits, ltrb, centerness)

    def masks(self, features, boxes, classes, *, index=0):
        from PIL import Image

        image = Image.fromarray(features.pyramid[0][index].mean(axis=0))
        crops = [image.resize((28, 28), Image.Resampling.BILINEAR, box=_inside(box, image.size)) for box in boxes]
        stack = np.array([np.asarray(c) for c in crops], np.float32).reshape(-1, 28, 28)
        return (stack > 0.25).astype(np.float32), np.full(len(boxes), 0.9, np.float32)


def _inside(box, size):
    x0, y0, x1, y1 = (float(v) for v in box)
    x0, y0 = max(x0, 0), max(y0, 0)
    return x0, y0, min(max(x1, x0 + 1), size[0]), min(max(y1, y0 + 1), size[1])


def make_card(*, in_channels: int = 3, categories=("cell",)) -> ModelCard:
    """A card for the fake engine: it takes images as they are."""
    model = ModelSettings(in_channels=in_channels, categories=list(categories), top_levels=0)
    return ModelCard(name="fake", licence="CC0-1.0", model=model, diameter=20.0, percentiles=(0.0, 100.0))


@pytest.fixture(autouse=True)
def _own_home(monkeypatch, tmp_path):
    """No test meets the unsaved work of another one, or of the person who runs it."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def hints(monkeypatch):
    """No hint for beginners is shown, until a test calls `undo`."""
    from napari_centermask.widgets.parts.put_away import PutAway

    with monkeypatch.context() as patch:
        patch.setattr(PutAway, "__contains__", lambda self, name: True)
        yield patch


@pytest.fixture
def qtbot(qtbot):
    """pytest-qt's, which waits 30 s for a condition: on a machine with much to do, 5 s are not enough."""
    wait = qtbot.waitUntil
    qtbot.waitUntil = lambda condition, *, timeout=30_000: wait(condition, timeout=timeout)
    return qtbot


@pytest.fixture
def card() -> ModelCard:
    return make_card()


@pytest.fixture
def engine(card, monkeypatch, tmp_path) -> FakeEngine:
    """The engine that every run in the test gets; its gate is open."""
    from napari_centermask.models.store import zoo
    from napari_centermask.widgets.work import engine_cache

    graph = tmp_path / "fake.onnx"
    graph.touch()
    files = ModelFiles("fake", card, weights=None, graphs=(graph, graph))
    engine = FakeEngine(card)
    engine.gate.set()
    monkeypatch.setattr(zoo, "list_models", lambda: [files])
    monkeypatch.setattr(engine_cache, "find_model", lambda name: files)
    monkeypatch.setattr(engine_cache, "load_engine", lambda *args, **kwargs: engine)
    monkeypatch.setattr(engine_cache, "_ENGINES", {})
    return engine


def make_discs(centres=((30, 30), (30, 90), (90, 50)), *, shape=(128, 128), radius=10, values=(1.0, 0.8, 0.6)):
    """(H, W) float32: bright discs on black; the value of each becomes its score."""
    image = np.zeros(shape, np.float32)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    for (y, x), value in zip(centres, values, strict=True):
        image[np.hypot(yy - y, xx - x) <= radius] = value
    return image


@pytest.fixture
def discs():
    """Factory of images of bright discs."""
    return make_discs


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """A viewer as a plugin sees it."""
    return make_napari_viewer_proxy()


@pytest.fixture
def dock(viewer, engine, qtbot):
    """The Segment dock in a viewer, with the fake engine; runs have ended when the test ends."""
    from napari_centermask.widgets.segment.dock import SegmentDock

    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment")
    dock.model.diameter.setValue(20.0)
    yield dock
    engine.gate.set()
    dock.session.runner.cancel()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=20_000)


@pytest.fixture
def run_to_end(dock, qtbot):
    """Press Run and wait until the run has ended."""

    def run():
        dock.run.start.click()
        qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=30_000)

    return run


@pytest.fixture
def plugin(npe2pm):
    """The plugin as it is installed, and no other."""
    import napari_centermask

    with npe2pm.tmp_plugin(manifest=Path(napari_centermask.__file__).parent / "napari.yaml") as plugin:
        yield plugin


@pytest.fixture
def notices():
    """Texts of the notifications since the test began."""
    from napari.utils.notifications import notification_manager

    before = len(notification_manager.records)
    return lambda: [n.message for n in notification_manager.records[before:]]
