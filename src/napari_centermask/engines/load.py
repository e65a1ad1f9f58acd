"""Choose and load an engine; its name and device show what is running, so no fallback is silent."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from napari_centermask.core.errors import BadModel, BadSettings, MissingExtra
from napari_centermask.engines import AnyEngine
from napari_centermask.models.families import family_of
from napari_centermask.models.store.zoo import ModelFiles, find_model, graph_suffix

NAMES = ("auto", "openvino", "onnx", "torch")


def load_engine(
    model: str | Path | ModelFiles, *, engine: str = "auto", device: str = "auto", threads: int | None = None
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

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        The message says what to do.
    """
    files = model if isinstance(model, ModelFiles) else find_model(model)
    name = _choose(files, device) if engine == "auto" else engine
    if name == "torch":
        return _load_torch(files, device, threads)
    if name not in NAMES:
        raise BadSettings(f"The engine must be one of {', '.join(NAMES)}, not {engine!r}.")
    family = family_of(files.card)
    if files.graphs is None:
        graphs = " and ".join(files.name + graph_suffix(graph) for graph in family.graphs)
        raise BadModel(f"The engine {name!r} needs {graphs}. Make them with: napari-centermask export {files.name}")
    engine_class = family.load(family.engines[name])
    loaded: AnyEngine = engine_class(*files.graphs, files.card, device=device, threads=threads)
    return loaded


def _choose(files: ModelFiles, device: str) -> str:
    if files.graphs is None:
        return "torch"
    has_onnx = find_spec("onnxruntime") is not None
    if has_onnx and device != "cpu":
        from napari_centermask.engines.onnx import cuda_works, import_runtime

        if cuda_works() and "CUDAExecutionProvider" in import_runtime().get_available_providers():
            return "onnx"
    if device.startswith("cuda"):
        return "torch" if files.weights is not None else "onnx"
    if find_spec("openvino") is not None:
        return "openvino"
    return "onnx" if has_onnx else "torch"


def _load_torch(files: ModelFiles, device: str, threads: int | None) -> AnyEngine:
    if files.weights is None:
        raise BadModel(
            f"The engine 'torch' needs weights ({files.name}.safetensors), but {files.name} has only graphs. Use another engine."
        )
    try:
        from napari_centermask.engines.torch import load
    except ImportError as error:
        raise MissingExtra(
            f"The engine 'torch' needs PyTorch ({error}): pip install 'napari-centermask[train]'"
        ) from error
    return load(files.weights, device=device, threads=threads)
