"""Which engine runs inside napari, and under which name."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from napari_centermask.core.errors import BadModel
from napari_centermask.engines.child import ChildEngine
from napari_centermask.pipeline import segment
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.work import engine_cache


def test_cells_are_found_under_the_name_that_the_model_is_installed_with(engine, monkeypatch):
    loaded = []
    monkeypatch.setattr(engine_cache, "load_engine", lambda files, **kwargs: loaded.append(files) or engine)
    files = engine_cache.find_model("mine")
    monkeypatch.setattr(engine_cache, "find_model", lambda name: type(files)(name, files.card, None, files.graphs))
    engine_cache.cached_engine(SegmentSettings(model="mine"))
    assert loaded[0].card.name == "mine"
    assert files.card.name == "fake"


def test_a_gpu_is_used_by_onnx_runtime_as_torch_cannot_run_here(engine, monkeypatch):
    loaded = []
    monkeypatch.setattr(engine_cache, "load_engine", lambda files, **kwargs: loaded.append(kwargs) or engine)
    engine_cache.cached_engine(SegmentSettings(model="nuclei", device="cuda"))
    assert loaded[0]["engine"] == "onnx"
    assert loaded[0]["device"] == "cuda"


MAKE = """
import sys, torch
from pathlib import Path
from napari_centermask.models.nets.mask_rcnn import MaskRCNN
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.settings import MaskRCNNSettings
torch.manual_seed(0)
form = MaskRCNNSettings(resnet="R-18", in_channels=1, pyramid_channels=16, box_fc=16, mask_head_convs=1, mask_head_channels=16)
model = MaskRCNN(form)
model.roi_heads.box_predictor.cls_score.bias.data = torch.tensor([-3.0, 3.0])  # all that is proposed are cells
card = ModelCard(name="mine", licence="CC0-1.0", model=form, diameter=30.0)
save_model(Path(sys.argv[1]), model, card)
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="a Mask R-CNN needs PyTorch")
def test_a_model_without_graphs_runs_in_a_process_of_its_own(tmp_path):
    """What a dock does with a Mask R-CNN: torch answers, and is not here."""
    path = tmp_path / "mine.safetensors"
    subprocess.run([sys.executable, "-c", MAKE, str(path)], check=True, capture_output=True)
    settings = SegmentSettings(model=str(path), diameter=30.0, score=0.4, device="cpu")
    engine = engine_cache.cached_engine(settings)
    assert isinstance(engine, ChildEngine)
    assert engine is engine_cache.cached_engine(settings)
    image = np.random.default_rng(0).random((1, 96, 128)).astype(np.float32)
    assert len(segment(image, engine, settings)) > 0
    assert "torch" not in sys.modules
    engine._process.kill()  # as the system does where memory is short
    engine._process.wait()
    assert not engine_cache.is_loaded(settings)
    assert len(segment(image, engine_cache.cached_engine(settings), settings)) > 0
    with pytest.raises(BadModel, match="A Mask R-CNN has no ONNX graphs and runs with PyTorch alone. Choose 'auto'"):
        engine_cache.cached_engine(settings.model_copy(update={"engine": "onnx"}))
