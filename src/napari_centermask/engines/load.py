"""Choose and load an engine; its name and device show what is running, so no fallback is silent."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from napari_centermask.core.errors import BadModel, BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.devices import cuda_works
from napari_centermask.engines.ensemble import AnySegmenter, Ensemble
from napari_centermask.engines.onnx import import_runtime
from napari_centermask.models.families import family_of
from napari_centermask.models.store.zoo import ModelFiles, find_model, graph_suffix
from napari_centermask.settings import SegmentSettings

NAMES = ("auto", "openvino", "onnx", "torch")


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def load_engine(
    model: str | Path | ModelFiles,
    *,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    say: Callable[[str], None] = _warn,
) -> AnyEngine:
    """Load a model of any family on a runtime.

    Parameters
    ----------
    model
        Name of an installed model, a model file, or its files.
    engine
        "openvino", "onnx", "torch", or "auto": ONNX Runtime if it has a working GPU, then OpenVINO, then
        ONNX Runtime on the CPU, then torch.
    device
        "auto", "cpu", "cuda", "cuda:1".
    threads
        CPU threads; by default all cores.
    say
        Called with the reason if device "auto" takes the CPU because CUDA fails; by default it is a warning.

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        The message says what to do.
    """
    files = model if isinstance(model, ModelFiles) else find_model(model)
    why = ""
    if engine in ("auto", "onnx") and files.graphs is not None and device != "cpu" and _offers_cuda():
        try:
            return _load(files, "onnx", "cuda" if device == "auto" else device, threads)
        except Exception as error:  # drivers and CUDA's libraries raise errors of any class
            if device != "auto":
                raise
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    name = _choose(files, device) if engine == "auto" else engine
    loaded = _load(files, name, "cpu" if why and name == "onnx" else device, threads)
    if why and loaded.device == "cpu":
        say(f"The GPU is not used; {loaded.name} runs on the CPU instead. {why}")
    return loaded


def load_engines(settings: SegmentSettings, *, say: Callable[[str], None]) -> AnySegmenter:
    """Load the model of the settings, and those of its ensemble.

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        As `load_engine`; also if a model is named twice, or categories differ.
    """
    names = [settings.model, *settings.more_models]
    _check_different(names)
    loaded = tuple(load_engine(n, engine=settings.engine, device=settings.device, say=say) for n in names)
    return loaded[0] if len(loaded) == 1 else Ensemble(loaded)


def _check_different(names: Sequence[str]) -> None:
    """Refuse a model that is named twice."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadSettings(f"The ensemble has '{twice}' twice, which adds nothing. Name each model once.")


def _load(files: ModelFiles, name: str, device: str, threads: int | None) -> AnyEngine:
    if name == "torch":
        return _load_torch(files, device, threads)
    if name not in NAMES:
        raise BadSettings(f"The engine must be one of {', '.join(NAMES)}, not {name!r}.")
    family = family_of(files.card)
    if files.graphs is None:
        graphs = " and ".join(files.name + graph_suffix(graph) for graph in family.graphs)
        raise BadModel(f"The engine {name!r} needs {graphs}. Make them with: napari-centermask export {files.name}")
    engine_class = family.load(family.engines[name])
    loaded: AnyEngine = engine_class(*files.graphs, files.card, device=device, threads=threads)
    return loaded


def _offers_cuda() -> bool:
    """Whether there are a driver and an ONNX Runtime made for it; even so, a session may fail."""
    if find_spec("onnxruntime") is None or not cuda_works():
        return False
    return "CUDAExecutionProvider" in import_runtime().get_available_providers()


def _choose(files: ModelFiles, device: str) -> str:
    """The runtime where ONNX Runtime has no GPU."""
    if files.graphs is None:
        return "torch"
    if device.startswith("cuda"):
        return "torch" if files.weights is not None else "onnx"
    if find_spec("openvino") is not None:
        return "openvino"
    return "onnx" if find_spec("onnxruntime") is not None else "torch"


def _load_torch(files: ModelFiles, device: str, threads: int | None) -> AnyEngine:
    if files.weights is None:
        raise BadModel(
            f"The engine 'torch' needs weights ({files.name}.safetensors), but {files.name} has only graphs. Use another engine."
        )
    try:
        from napari_centermask.engines.torch import load
    except ImportError as error:
        raise MissingExtra(f"The engine 'torch' needs PyTorch ({error}): {how_to_install('train')}") from error
    return load(files.weights, device=device, threads=threads)
