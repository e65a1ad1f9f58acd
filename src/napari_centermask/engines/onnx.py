"""ONNX Runtime: on the CPU, or on CUDA if it works."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.core.extras import how_to_install, how_to_use_gpu
from napari_centermask.engines import Features
from napari_centermask.engines.devices import cuda_works
from napari_centermask.engines.graphs import DENSE_INPUT, LOCATIONS, MAPS_OUTPUT, ROI_OUTPUTS, dense_outputs, roi_feed
from napari_centermask.models.store.card import ModelCard

_NO_CUDA = "ONNX Runtime cannot use CUDA: {why}. Find the remedy with: napari-centermask doctor"


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


class OnnxEngine:
    """The exported `dense` and `roi` graphs on ONNX Runtime.

    Parameters
    ----------
    dense, roi
        The two graphs.
    card
        The model card.
    device
        "auto", "cpu", "cuda" or "cuda:1".
    threads
        CPU threads; by default all cores.

    Raises
    ------
    BadSettings
        If CUDA is requested and does not work.
    """

    name = "onnx"

    def __init__(
        self, dense: Path, roi: Path, card: ModelCard, *, device: str = "auto", threads: int | None = None
    ) -> None:
        self.card = card
        self._dense, self.device = open_session(dense, device, threads)
        self._roi, _ = open_session(roi, device, threads)

    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`."""
        n_levels = len(self._dense.get_outputs()) - len(LOCATIONS)
        outputs = self._dense.run(dense_outputs(n_levels), {DENSE_INPUT: tiles})
        return Features(tiles.shape[2:], tuple(outputs[:n_levels]), *outputs[n_levels:])

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        feed = roi_feed(features.pyramid, boxes, classes, index, float(np.prod(features.tile_shape)))
        masks, quality = self._roi.run(ROI_OUTPUTS, feed)
        return masks, np.clip(quality, 0, 1)


class OnnxMapEngine:
    """The exported `maps` graph on ONNX Runtime; parameters as in `OnnxEngine`."""

    name = "onnx"

    def __init__(self, maps: Path, card: ModelCard, *, device: str = "auto", threads: int | None = None) -> None:
        self.card = card
        self._maps, self.device = open_session(maps, device, threads)

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        return np.asarray(self._maps.run([MAPS_OUTPUT], {DENSE_INPUT: tiles})[0])


def open_session(path: Path, device: str, threads: int | None) -> tuple[Any, str]:
    """A graph ready to run, and its device."""
    runtime = import_runtime()
    providers = _providers(runtime, device)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    # Spinning workers fight other thread pools in the process: 184 against 131 ms end to end.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads:
        options.intra_op_num_threads = threads
    try:
        # Its own fallback to the CPU prints the reason and raises nothing.
        session = runtime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except RuntimeError as error:
        if providers == ["CPUExecutionProvider"]:
            raise
        why = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        raise BadSettings(_NO_CUDA.format(why=why)) from error
    on_gpu = "CUDAExecutionProvider" in session.get_providers()
    if device.startswith("cuda") and not on_gpu:
        raise BadSettings(_NO_CUDA.format(why="CUDA's libraries do not load"))
    return session, (device if device.startswith("cuda") else "cuda") if on_gpu else "cpu"


def _providers(runtime: ModuleType, device: str) -> list[str | tuple[str, dict[str, object]]]:
    wanted = device.startswith("cuda") or device == "auto"
    offered = "CUDAExecutionProvider" in runtime.get_available_providers()
    if not (wanted and offered and cuda_works()):
        if device.startswith("cuda"):
            raise BadSettings(
                f"device={device!r} needs CUDA, but this machine has no CUDA driver or no onnxruntime-gpu. "
                f"Use device cpu, or: {how_to_use_gpu()}"
            )
        return ["CPUExecutionProvider"]
    if hasattr(runtime, "preload_dlls"):
        runtime.preload_dlls()
    runtime.set_default_logger_severity(4)
    number = int(device.partition(":")[2] or 0)
    # Tiles vary in size, so do not tune convolutions for each shape.
    options = {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"}
    return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]
