"""Which engine runs inside napari, and under which name."""

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
