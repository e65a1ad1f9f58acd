"""Commands that install models or look for them must not see those of this machine; cells made without a network."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask.core.errors import BadImage
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
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
    import napari_centermask.pipeline.image_file  # noqa: F401 - first met in a patch, it would keep what stands in

    model = SimpleNamespace(in_channels=3, categories=["cell"])
    inputs = {"model": model, "channel_names": [], "preprocess": PreprocessSettings(), "parent": None}
    inputs |= {"name": "fake", "kind": "centermask", "normalisation": "percentile", "images": ()}
    card = SimpleNamespace(defaults={}, percentiles=(1.0, 99.8), bears_missing=True, **inputs)
    seen = SimpleNamespace(images=[], settings=[], card=card, classes=None)

    def load_engine(model, **options):
        return SimpleNamespace(name="fake", device="cpu", precision="float32", batch=1, card=card)

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
    for module in ("pipeline", "pipeline.segmentation", "pipeline.image_file", "evaluation.folder"):
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


@pytest.fixture
def damaged(tmp_path, cells):
    """Three annotated images of which the second is damaged, and a COCO file of the same cells beside them."""
    folder = tmp_path / "fields"
    (folder / "images").mkdir(parents=True)
    records = []
    for number in (1, 2, 3):
        pixels = np.random.default_rng(number).integers(0, 255, (128, 160)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        truth = cells(n=12, shape=(128, 160), radius=8)
        records.append(ImageRecord(number, f"{number}.png", None, truth.shape, truth))
    write_coco(folder / "annotations_test.json", records)
    (folder / "images" / "2.png").write_bytes(b"nonsense")
    return folder


@pytest.fixture
def stack():
    """Write a stack of channels with names: `stack(path, names)`."""

    def write(path, names):
        tifffile.imwrite(
            path, np.ones((len(names), 64, 64), np.uint8), imagej=True, metadata={"axes": "CYX", "Labels": names}
        )

    return write


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A checkpoint in the reference's form, with random weights."""
    import torch

    from napari_centermask.models.nets.centermask import CenterMask
    from napari_centermask.settings import ModelSettings

    lite = ModelSettings(backbone="V-19-slim-dw-eSE", backbone_norm="FrozenBN", categories=[f"c{i}" for i in range(80)])
    path = tmp_path_factory.mktemp("published") / "centermask-lite.pth"
    torch.manual_seed(0)
    state = CenterMask(lite).state_dict()
    # Trained weights bring pixels up to 255 down to values near 1; else gates amplify what float32 rounds by.
    state["backbone.bottom_up.stem.stem_1/conv.weight"].div_(128)
    torch.save({"model": state}, path)
    return path
