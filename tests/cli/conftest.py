"""Commands that install models or look for them must not see those of this machine; cells made without a network."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadImage
from napari_centermask.models.store import zoo
from napari_centermask.pipeline import PlaneCells, Progress
from napari_centermask.settings import PreprocessSettings


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No model is shipped and none is installed; returns the folder where models will be."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path / "home" / "models"


@pytest.fixture
def network(monkeypatch, cells):
    """The engine and the pipeline, replaced: every image holds the same 12 cells."""
    inputs = {"model": SimpleNamespace(in_channels=3), "channel_names": [], "preprocess": PreprocessSettings()}
    inputs |= {"name": "fake", "kind": "centermask", "normalisation": "percentile"}
    card = SimpleNamespace(defaults={}, percentiles=(1.0, 99.8), bears_missing=True, **inputs)
    seen = SimpleNamespace(images=[], settings=[], card=card, classes=None)

    def load_engine(model, **options):
        return SimpleNamespace(name="fake", device="cpu", card=card)

    def segment_planes(planes, engine, settings, *, classes=False, **_):
        for plane in planes:
            seen.images.append(np.asarray(plane.pixels))
            seen.settings.append(settings)
            yield Progress(0, 1, "Tile")
            if plane.pixels.max() == 13:
                raise BadImage("Expected cells, got 13.")
            instances = cells(n=12, shape=plane.shape, radius=8)
            problem = "it is dark" if plane.pixels.max() == 99 else ""
            yield PlaneCells(plane, instances, 20.0, problem=problem, classes=seen.classes if classes else None)

    monkeypatch.setattr("napari_centermask.engines.load.load_engine", load_engine)
    for module in ("pipeline", "pipeline.segmentation", "evaluation.folder"):
        monkeypatch.setattr(f"napari_centermask.{module}.segment_planes", segment_planes)
    return seen


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for name, value in (("a", 1), ("b", 2)):
        Image.fromarray(np.full((128, 160), value, np.uint8)).save(folder / f"{name}.png")
    (folder / "notes.txt").write_text("not an image")
    return folder
