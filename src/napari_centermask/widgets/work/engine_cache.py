"""Engines for use inside napari: loaded once, and never torch, which runs in a process of its own where a model needs it."""

from __future__ import annotations

import threading
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadModel, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.engines import fastest
from napari_centermask.engines.child import ChildEngine
from napari_centermask.engines.devices import IN_NAPARI
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.runtime import Precision
from napari_centermask.models.families import needs_torch, why_torch
from napari_centermask.models.store.zoo import ModelFiles, find_model
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.engines import AnyEngine

_MOST = 2  # a choice: the model in use, and the one that it is compared with
_LOADING = threading.Lock()  # the thread of a cancelled run may still be loading
_ENGINES: dict[tuple[object, ...], tuple[AnyEngine, list[str]]] = {}


def cached_engine(settings: SegmentSettings) -> AnyEngine:
    """The engine for these settings; the last two loaded ones are kept for the session.

    Raises
    ------
    BadModel, BadSettings, MissingExtra
        With what to do. torch is refused: with OpenGL in one process it crashes (docs/architecture.md).
    """
    files = find_model(settings.model)
    with _LOADING:
        return _loaded(_key(files, settings), files, settings)


def is_loaded(settings: SegmentSettings) -> bool:
    """Whether the engine for these settings is there at once; raises `BadModel` if there is no such model."""
    known = _ENGINES.get(_key(find_model(settings.model), settings))
    return known is not None and not _has_ended(known[0])


def _key(files: ModelFiles, settings: SegmentSettings) -> tuple[object, ...]:
    """What an engine is kept under: a model's files as they are now, and where it runs."""
    stamp = tuple((p, p.stat().st_mtime_ns) for p in files.paths)
    return files.name, stamp, settings.engine, settings.device, settings.precision, fastest.version()


def _has_ended(engine: AnyEngine) -> bool:
    return isinstance(engine, ChildEngine) and engine.has_ended


def _loaded(key: tuple[object, ...], files: ModelFiles, settings: SegmentSettings) -> AnyEngine:
    if key in _ENGINES and _has_ended(_ENGINES[key][0]):
        del _ENGINES[key]
    if key not in _ENGINES:
        _refuse_torch(settings, files)
        # `load_engine` may take torch for a GPU.
        runtime = "onnx" if settings.engine == "auto" and settings.device.startswith("cuda") else settings.engine
        # Cells have the name that users see; the card keeps the one that the model was trained under.
        named = replace(files, card=files.card.model_copy(update={"name": files.name}))
        notes: list[str] = []
        if needs_torch(files.card):
            engine: AnyEngine = ChildEngine(named, device=settings.device, precision=_precision(settings))
        else:
            engine = load_engine(
                named,
                engine=runtime,
                device=settings.device,
                precision=settings.precision,
                engines=IN_NAPARI,
                say=notes.append,
            )
        while len(_ENGINES) >= _MOST:
            del _ENGINES[next(iter(_ENGINES))]
        _ENGINES[key] = engine, notes
    return _ENGINES[key][0]


def engine_notes(engine: AnyEngine) -> tuple[str, ...]:
    """Why a cached engine is not the one that was to be expected: the GPU failed; empty if it is."""
    return tuple(note for known, notes in _ENGINES.values() if known is engine for note in notes)


def _precision(settings: SegmentSettings) -> Precision:
    return "float32" if settings.precision == "auto" else settings.precision


def _refuse_torch(settings: SegmentSettings, files: ModelFiles) -> None:
    """Raise an error if torch would be chosen."""
    remedy = "Install a runtime that can: pip install openvino (or onnxruntime)."
    if needs_torch(files.card):
        if settings.engine not in ("auto", "torch"):
            raise BadModel(f"{why_torch(files.card)} Choose 'auto' under Advanced.")
        if find_spec("torch") is None or find_spec("torchvision") is None:
            raise MissingExtra(f"{why_torch(files.card)} Install it: {how_to_install('train')}")
        return
    if settings.engine in ("torch", "tensorrt"):
        raise MissingExtra(
            f"Engines that need PyTorch cannot run inside napari. Choose 'auto' under Advanced. {remedy}"
        )
    if files.graphs is None:
        raise BadModel(
            f"'{files.name}' has only weights; napari needs its graphs. Make them with: napari-centermask export {files.name}"
        )
    if settings.engine == "auto" and not any(find_spec(name) for name in ("openvino", "onnxruntime")):
        raise MissingExtra(f"Segmenting inside napari needs OpenVINO or ONNX Runtime. {remedy}")
