"""ONNX Runtime: on the CPU, or on what its providers offer and that works here: CUDA, TensorRT, CoreML, DirectML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Unpack

import numpy as np

from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install, how_to_use_gpu
from napari_centermask.engines import Features
from napari_centermask.engines.cache_folder import engine_folder
from napari_centermask.engines.graphs import DENSE_INPUT, LOCATIONS, MAPS_OUTPUT, ROI_OUTPUTS, dense_outputs, roi_feed
from napari_centermask.engines.providers import CPU, PROVIDERS, check_tiles, providers_for
from napari_centermask.engines.runtime import How, Precision, check_precision, split_device, usual_batch
from napari_centermask.models.store.card import ModelCard

_CANNOT = "ONNX Runtime cannot use {title}: {why}. Find the remedy with: napari-centermask doctor"
_TITLES = {"cuda": "CUDA", "tensorrt": "TensorRT", "coreml": "CoreML", "directml": "DirectML"}
_MEMORY = {"cuda": "cuda", "tensorrt": "cuda", "directml": "dml"}
"""Where the arrays of each kind of device lie, in ONNX Runtime's words; "cpu" for others."""


def import_runtime() -> ModuleType:
    """The onnxruntime module.

    Raises
    ------
    MissingExtra
        If it is missing, or broken by two packages in one folder.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            f"The engine 'onnx' needs ONNX Runtime ({error}): {how_to_install('onnx')}. "
            f"With an NVIDIA GPU: {how_to_use_gpu()}"
        ) from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise MissingExtra(
            "ONNX Runtime is broken: two of its packages were installed and one removed. "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then install one of them again."
        )
    runtime: ModuleType = onnxruntime
    return runtime


class _OnOnnx:
    """A network on ONNX Runtime.

    Parameters
    ----------
    graph
        The graph that takes a whole tile.
    card
        The model card.
    device
        "auto", "cpu", or as `providers.PROVIDERS` names them, "cuda:1" with a number.
    threads
        CPU threads; by default all cores.
    precision
        float16 and bfloat16 on TensorRT only.
    batch
        Tiles to give it at once; `usual_batch` by default.

    Raises
    ------
    BadSettings
        If the device is requested and does not work, or does not have the precision or the room for the batch.
    """

    name = "onnx"

    def __init__(
        self,
        graph: Path,
        card: ModelCard,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: Precision = "float32",
        batch: int | None = None,
    ) -> None:
        self.card, self.precision = card, precision
        channels = card.model.in_channels
        self._whole, self.device = open_session(graph, device, threads, precision=precision, channels=channels)
        self.batch = batch or usual_batch(self.device)
        if self.device.startswith("tensorrt"):
            check_tiles(self.batch)


class OnnxEngine(_OnOnnx):
    """The exported `dense` and `roi` graphs on ONNX Runtime. Features stay on the device between the two."""

    def __init__(self, dense: Path, roi: Path, card: ModelCard, **how: Unpack[How]) -> None:
        super().__init__(dense, card, **how)
        # TensorRT's RoIAlign is a plugin of its own; CUDA runs this graph as it is.
        self._roi, _ = open_session(roi, self.device.replace("tensorrt", "cuda"), how.get("threads"))

    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`; `pyramid` holds `OrtValue`s on the device."""
        n_levels = len(self._whole.get_outputs()) - len(LOCATIONS)
        names = dense_outputs(n_levels)
        outputs = _run(self._whole, {DENSE_INPUT: tiles}, names, self.device, kept=names[:n_levels])
        return Features(tiles.shape[2:], tuple(outputs[:n_levels]), *outputs[n_levels:])

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        feed = roi_feed(features.pyramid, boxes, classes, index, float(np.prod(features.tile_shape)))
        masks, quality = _run(self._roi, feed, ROI_OUTPUTS, self.device)
        return masks, np.clip(quality, 0, 1)


class OnnxMapEngine(_OnOnnx):
    """The exported `maps` graph on ONNX Runtime."""

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        return np.asarray(self._whole.run([MAPS_OUTPUT], {DENSE_INPUT: tiles})[0])


def _run(
    session: Any, feed: dict[str, Any], names: Sequence[str], device: str, *, kept: Sequence[str] = ()
) -> list[Any]:
    """The outputs of a graph: arrays, and `OrtValue`s on the device of those that are kept there."""
    kind, number = split_device(device)
    binding = session.io_binding()
    for name, value in feed.items():
        if isinstance(value, np.ndarray):
            binding.bind_cpu_input(name, value)
        else:
            binding.bind_ortvalue_input(name, value)
    for name in names:
        binding.bind_output(name, _MEMORY.get(kind, "cpu") if name in kept else "cpu", number if name in kept else 0)
    session.run_with_iobinding(binding)
    outputs = binding.get_outputs()
    return [value if name in kept else value.numpy() for name, value in zip(names, outputs, strict=True)]


def open_session(
    path: Path, device: str, threads: int | None, *, precision: Precision = "float32", channels: int = 0
) -> tuple[Any, str]:
    """A graph ready to run, and its device; parameters as `providers.providers_for`."""
    runtime = import_runtime()
    cache = engine_folder(path) if device.startswith("tensorrt") else None
    providers = providers_for(runtime, device, precision=precision, cache=cache, channels=channels)
    kind = next(kind for kind, name in PROVIDERS.items() if name == providers[0][0])
    check_precision(precision, precisions_of(kind), engine="onnx", device=kind)
    if kind in ("cuda", "tensorrt"):
        if hasattr(runtime, "preload_dlls"):
            runtime.preload_dlls()
        runtime.set_default_logger_severity(4)
    session = _session(runtime, path, threads, providers, kind)
    if providers[0][0] not in session.get_providers():
        raise BadSettings(_CANNOT.format(title=_TITLES[kind], why="its libraries do not load"))
    return session, kind if device == "auto" else device


def precisions_of(kind: str) -> tuple[Precision, ...]:
    """The precisions of a kind of device, the usual one first."""
    return ("float32", "float16", "bfloat16") if kind == "tensorrt" else ("float32",)


def _session(
    runtime: ModuleType, path: Path, threads: int | None, providers: list[tuple[str, dict[str, str]]], kind: str
) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # Spinning workers fight other thread pools in the process: 184 against 131 ms end to end.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads:
        options.intra_op_num_threads = threads
    if kind == "directml":  # its documentation asks for both
        options.enable_mem_pattern = False
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    try:
        # Its own fallback to the CPU prints the reason and raises nothing.
        return runtime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except RuntimeError as error:
        if providers[0][0] == CPU:
            raise
        why = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        raise BadSettings(_CANNOT.format(title=_TITLES[kind], why=why)) from error
