"""OpenVINO: the engine that is always installed; it conflicts with no other package and is the fastest on CPUs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.engines import Features
from napari_centermask.engines.graphs import DENSE_INPUT, LOCATIONS, MAPS_OUTPUT, ROI_OUTPUTS, dense_outputs, roi_feed
from napari_centermask.models.store.card import ModelCard


class OpenVinoEngine:
    """The exported `dense` and `roi` graphs on OpenVINO, in float32.

    Parameters
    ----------
    dense, roi
        The two graphs.
    card
        The model card.
    device
        "auto" or "cpu".
    threads
        CPU threads; by default all cores.
    """

    name = "openvino"

    def __init__(
        self, dense: Path, roi: Path, card: ModelCard, *, device: str = "auto", threads: int | None = None
    ) -> None:
        self.card = card
        self.device = "cpu"
        self._dense = compile_graph(dense, device, threads)
        self._roi = compile_graph(roi, device, threads)

    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`."""
        result = self._dense({DENSE_INPUT: tiles})
        n_levels = len(self._dense.outputs) - len(LOCATIONS)
        outputs = [np.array(result[name]) for name in dense_outputs(n_levels)]
        return Features(tiles.shape[2:], tuple(outputs[:n_levels]), *outputs[n_levels:])

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        if len(boxes) == 0:
            side = self._roi.output(ROI_OUTPUTS[0]).get_partial_shape()[1].get_length()
            return np.zeros((0, side, side), np.float32), np.zeros(0, np.float32)
        feed = roi_feed(features.pyramid, boxes, classes, index, float(np.prod(features.tile_shape)))
        known = {port.any_name for port in self._roi.inputs}
        result = self._roi({name: value for name, value in feed.items() if name in known})
        masks, quality = (np.array(result[name]) for name in ROI_OUTPUTS)
        return masks, np.clip(quality, 0, 1)


class OpenVinoMapEngine:
    """The exported `maps` graph on OpenVINO, in float32; parameters as in `OpenVinoEngine`."""

    name = "openvino"

    def __init__(self, maps: Path, card: ModelCard, *, device: str = "auto", threads: int | None = None) -> None:
        self.card = card
        self.device = "cpu"
        self._maps = compile_graph(maps, device, threads)

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        return np.array(self._maps({DENSE_INPUT: tiles})[MAPS_OUTPUT])


def compile_graph(path: Path, device: str, threads: int | None) -> Any:
    """A graph ready to run on the CPU."""
    if device not in ("auto", "cpu"):
        raise BadSettings(f"The engine openvino runs on device auto or cpu, not {device!r}. Use engine onnx or torch.")
    # Without this hint OpenVINO computes in bf16 on some CPUs, and results differ from machine to machine.
    config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    return _core().compile_model(str(path), "CPU", config)


@cache
def _core() -> Any:
    """The process's one core, which is never freed.

    A core gives the thread that compiles a stack for signals and, when it is freed, puts back the one that it met. With two cores
    that can be the freed one of the other, and then the next signal, such as Ctrl-C, ends the process (docs/upstream.md).
    """
    with _no_telemetry():
        try:
            import openvino
        except ImportError as error:
            raise MissingExtra(f"The engine 'openvino' needs OpenVINO ({error}): pip install openvino") from error
    return openvino.Core()


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Make the import of `openvino_telemetry` fail: OpenVINO sends an event when it is imported, without being asked to."""
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # documented: such an import raises ModuleNotFoundError
    try:
        yield
    finally:
        del sys.modules[name]
