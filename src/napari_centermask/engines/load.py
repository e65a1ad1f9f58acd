"""Choose and load an engine; its name and device show what is running, so no fallback is silent."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from napari_centermask.core.errors import BadModel, BadSettings, MissingExtra, UserError, reason
from napari_centermask.core.extras import how_to_install
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.devices import cuda_works
from napari_centermask.engines.ensemble import AnySegmenter, Ensemble
from napari_centermask.engines.fastest import remembered
from napari_centermask.engines.machine import n_cores
from napari_centermask.engines.onnx import import_runtime
from napari_centermask.engines.runtime import PRECISIONS, How, Precision, Runtime, devices_of
from napari_centermask.engines.several import Several
from napari_centermask.engines.warming import warm_up
from napari_centermask.models.families import family_of, needs_torch, why_torch
from napari_centermask.models.store.onnx_constants import check_constants
from napari_centermask.models.store.zoo import ModelFiles, find_model, graph_suffix
from napari_centermask.settings import SegmentSettings

NAMES = ("auto", "openvino", "onnx", "torch", "tensorrt")


@dataclass(frozen=True)
class Options:
    """How an engine is loaded, whichever it is; None for its own default."""

    precision: Precision = "float32"
    threads: int | None = None
    batch: int | None = None


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def load_engine(
    model: str | Path | ModelFiles,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
    engines: Collection[str] = NAMES,
    say: Callable[[str], None] = _warn,
) -> AnyEngine:
    """Load a model of any family on a runtime.

    The engine "auto", and then device and precision, follow from what `benchmark --pick` measured for the model on this
    computer, if it did. Otherwise, the engine is ONNX Runtime if it has a working GPU, then OpenVINO, then ONNX Runtime on
    the CPU, then torch, in float32.

    Parameters
    ----------
    model
        Name of an installed model, a model file, or its files.
    engine
        "openvino", "onnx", "torch", "tensorrt" or "auto".
    device
        "auto", "cpu", "cuda", "cuda:1", "tensorrt", "coreml", "directml" or "mps"; several, separated by commas, share the
        tiles of an image.
    precision
        "float32", "bfloat16", "float16" or "auto".
    threads
        CPU threads; by default all cores.
    batch
        Tiles that go through the network at once; by default 1 on a CPU and 4 on others.
    engines
        What "auto" may take.
    say
        Called with the reason if what "auto" took first fails; by default it is a warning.

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        The message says what to do.
    """
    files = model if isinstance(model, ModelFiles) else find_model(model)
    if engine == "auto" and threads is None and batch is None:
        row = remembered(files, engines=engines, device=device, precision=precision)
        if row is not None and (measured := load_runtime(files, row.runtime, say=say)) is not None:
            return measured
    options = Options("float32" if precision == "auto" else _precision(precision), threads, batch)
    devices = devices_of(device)
    if len(devices) == 1:
        return _default(files, engine, device, options, say)
    if threads is None:
        options = replace(options, threads=max(1, n_cores() // len(devices)))
    return Several(tuple(_default(files, engine, one, options, say) for one in devices))


def _precision(name: str) -> Precision:
    for known in PRECISIONS:
        if name == known:
            return known
    raise BadSettings(f"The precision must be one of auto, {', '.join(PRECISIONS)}, not {name!r}.")


def load_runtime(files: ModelFiles, runtime: Runtime, *, say: Callable[[str], None]) -> AnyEngine | None:
    """The engine for what was measured as the fastest; None, after saying why, if it no longer works."""
    options = Options(runtime.precision, runtime.threads, runtime.batch)
    try:
        parts = [_load(files, runtime.engine, device, options) for device in devices_of(runtime.device)]
        for part in parts:
            warm_up(part)
    except Exception as error:  # runtimes, drivers and their libraries raise errors of any class
        say(f"The fastest engine for '{files.name}', {runtime}, fails; the usual one is used. {_reason(error)}")
        return None
    return parts[0] if len(parts) == 1 else Several(tuple(parts))


def _default(files: ModelFiles, engine: str, device: str, options: Options, say: Callable[[str], None]) -> AnyEngine:
    """The engine where nothing was measured."""
    why = ""
    takes_cuda = device == "auto" or device.startswith("cuda")
    if engine in ("auto", "onnx") and files.graphs is not None and takes_cuda and _offers_cuda():
        try:
            loaded = _load(files, "onnx", "cuda" if device == "auto" else device, options)
            warm_up(loaded)
        except Exception as error:  # drivers and CUDA's libraries raise errors of any class
            if device != "auto":
                raise
            why = _reason(error)
        else:
            return loaded
    name = _choose(files, device) if engine == "auto" else engine
    loaded = _load(files, name, "cpu" if why and name == "onnx" else device, options)
    if why and loaded.device == "cpu":
        say(f"The GPU is not used; {loaded.name} runs on the CPU instead. {why}")
    return loaded


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def load_chosen(
    model: str | Path | ModelFiles,
    settings: SegmentSettings,
    *,
    say: Callable[[str], None] = _warn,
    threads: int | None = None,
) -> AnyEngine:
    """Load a model on the engine, device and precision of the settings; `threads`, and what it raises, as `load_engine`."""
    return load_engine(
        model,
        engine=settings.engine,
        device=settings.device,
        precision=settings.precision,
        threads=threads,
        say=say,
    )


def load_engines(settings: SegmentSettings, *, say: Callable[[str], None], threads: int | None = None) -> AnySegmenter:
    """Load the model of the settings, and those of its ensemble; `threads` as in `load_engine`.

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        As `load_engine`; also if a model is named twice, or categories differ.
    """
    names = [settings.model, *settings.more_models]
    _check_different(names)
    loaded = tuple(load_chosen(name, settings, say=say, threads=threads) for name in names)
    return loaded[0] if len(loaded) == 1 else Ensemble(loaded)


def _check_different(names: Sequence[str]) -> None:
    """Refuse a model that is named twice."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadSettings(f"The ensemble has '{twice}' twice, which adds nothing. Name each model once.")


def _load(files: ModelFiles, name: str, device: str, options: Options) -> AnyEngine:
    if name not in NAMES:
        raise BadSettings(f"The engine must be one of {', '.join(NAMES)}, not {name!r}.")
    if name == "torch":
        return _load_torch(files, device, options)
    family = family_of(files.card)
    if needs_torch(files.card):
        raise BadSettings(f"{why_torch(files.card)} Use engine torch or auto.")
    if files.graphs is None:
        graphs = " and ".join(files.name + graph_suffix(graph) for graph in family.graphs)
        raise BadModel(f"The engine {name!r} needs {graphs}. Make them with: napari-centermask export {files.name}")
    if name not in family.engines:
        raise BadSettings(f"A {family.title} does not run on the engine {name!r}. Use engine auto.")
    for graph in files.graphs:
        check_constants(graph)
    if name == "tensorrt":
        return _load_tensorrt(files, device, options)
    engine_class = family.load(family.engines[name])
    how: How = {"device": device, "threads": options.threads, "precision": options.precision}
    if options.batch is not None:
        how["batch"] = options.batch
    try:
        loaded: AnyEngine = engine_class(*files.graphs, files.card, **how)
    except UserError:
        raise
    except Exception as error:  # runtimes raise errors of any class
        raise BadModel(f"{files.name} cannot be run by {name}: {reason(error)}. Export the model again.") from error
    return loaded


def _offers_cuda() -> bool:
    """Whether there are a driver and an ONNX Runtime made for it; even so, a session may fail."""
    if find_spec("onnxruntime") is None or not cuda_works():
        return False
    return "CUDAExecutionProvider" in import_runtime().get_available_providers()


def _choose(files: ModelFiles, device: str) -> str:
    """The runtime where ONNX Runtime has no GPU."""
    if files.graphs is None or device == "mps":
        return "torch"
    if device.startswith("cuda"):
        return "torch" if files.weights is not None else "onnx"
    if device not in ("auto", "cpu"):
        return "onnx"
    if find_spec("openvino") is not None:
        return "openvino"
    return "onnx" if find_spec("onnxruntime") is not None else "torch"


def _load_torch(files: ModelFiles, device: str, options: Options) -> AnyEngine:
    if files.weights is None:
        raise BadModel(
            f"The engine 'torch' needs weights ({files.name}.safetensors), but {files.name} has only graphs. Use another engine."
        )
    try:
        from napari_centermask.engines.torch import load
    except ImportError as error:
        raise MissingExtra(f"The engine 'torch' needs PyTorch ({error}): {how_to_install('train')}") from error
    return load(files.weights, device=device, threads=options.threads, precision=options.precision, batch=options.batch)


def _load_tensorrt(files: ModelFiles, device: str, options: Options) -> AnyEngine:
    if files.graphs is None or files.weights is None:
        raise BadModel(
            f"The engine 'tensorrt' needs weights and graphs, which {files.name} does not have. Use another engine."
        )
    family = family_of(files.card)
    try:
        engine_class = family.load(family.engines["tensorrt"])
    except ImportError as error:
        raise MissingExtra(f"The engine 'tensorrt' needs PyTorch ({error}): {how_to_install('train')}") from error
    loaded: AnyEngine = engine_class(
        files.graphs[0], files.weights, files.card, device=device, precision=options.precision, batch=options.batch
    )
    return loaded
