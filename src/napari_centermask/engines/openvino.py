"""OpenVINO: the engine that is always installed; it conflicts with no other package and is the fastest on CPUs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from napari_centermask.core.errors import BadSettings, MissingExtra
from napari_centermask.engines import Features
from napari_centermask.engines.graphs import DENSE_INPUT, LOCATIONS, MAPS_OUTPUT, ROI_OUTPUTS, dense_outputs, roi_feed
from napari_centermask.engines.runtime import How, Precision, check_precision, usual_batch
from napari_centermask.models.store.card import ModelCard

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class _OnOpenVino:
    """A network on OpenVINO.

    Parameters
    ----------
    graph
        The graph that takes a whole tile.
    card
        The model card.
    device
        "auto" or "cpu".
    threads
        CPU threads; by default all cores.
    precision
        float32, or bfloat16 where the processor has it.
    batch
        Tiles to give it at once; `usual_batch` by default.

    Raises
    ------
    BadSettings
        If the device is not the CPU, or does not have the precision.
    """

    name = "openvino"

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
        self.card, self.precision, self.device = card, precision, "cpu"
        self.batch = batch or usual_batch(self.device)
        self._whole = compile_graph(graph, device, threads, precision=precision)


class OpenVinoEngine(_OnOpenVino):
    """The exported `dense` and `roi` graphs on OpenVINO."""

    def __init__(self, dense: Path, roi: Path, card: ModelCard, **how: Unpack[How]) -> None:
        super().__init__(dense, card, **how)
        self._roi = RoiGraph(roi, self.device, how.get("threads"), precision=self.precision)

    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`."""
        result = self._whole({DENSE_INPUT: tiles})
        n_levels = len(self._whole.outputs) - len(LOCATIONS)
        outputs = [np.array(result[name]) for name in dense_outputs(n_levels)]
        return Features(tiles.shape[2:], tuple(outputs[:n_levels]), *outputs[n_levels:])

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        if len(boxes) == 0:
            return np.zeros((0, self._roi.side, self._roi.side), np.float32), np.zeros(0, np.float32)
        feed = roi_feed(features.pyramid, boxes, classes, index, float(np.prod(features.tile_shape)))
        masks, quality = self._roi.run(feed)
        return masks, np.clip(quality, 0, 1)


class OpenVinoMapEngine(_OnOpenVino):
    """The exported `maps` graph on OpenVINO."""

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        return np.array(self._whole({DENSE_INPUT: tiles})[MAPS_OUTPUT])


class RoiGraph:
    """The `roi` graph. In bfloat16 it is two: pooling stays in float32.

    In bfloat16, corners of boxes are rounded to several pixels in a tile of 1,024: the masks of `nuclei` then agree with those
    of float32 at a mean IoU of 0.956 only, and at 0.999 with pooling in float32.
    """

    def __init__(self, path: Path, device: str, threads: int | None, *, precision: Precision) -> None:
        parts = None if precision == "float32" else split_at_pooling(path)
        if parts is None:
            self._graphs = [compile_graph(path, device, threads)]
        else:
            pooling, heads = parts
            self._graphs = [
                compile_graph(pooling, device, threads),
                compile_graph(heads, device, threads, precision=precision),
            ]
        self.side: int = self._graphs[-1].output(ROI_OUTPUTS[0]).get_partial_shape()[1].get_length()

    def run(self, feed: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Masks and quality of regions, at least one."""
        values = dict(feed)
        for graph in self._graphs:
            known = {port.any_name for port in graph.inputs}
            result = graph({name: value for name, value in values.items() if name in known})
            values |= {port.any_name: np.array(result[port]) for port in graph.outputs}
        masks, quality = (values[name] for name in ROI_OUTPUTS)
        return masks, quality


_POOLED = "pooled"


def split_at_pooling(path: Path) -> tuple[Any, Any] | None:
    """The `roi` graph as two models: from features and boxes to what is pooled, and from there to masks.

    Returns
    -------
    tuple of openvino.Model or None
        None if the heads use more of the features than what is pooled.
    """
    core = _core()
    from openvino import Model, opset8

    first, second = core.read_model(str(path)), core.read_model(str(path))
    ports = [_input_of_heads(model) for model in (first, second)]
    ports[0].get_tensor().set_names({_POOLED})
    pooling = Model([ports[0]], first.get_parameters(), "pooling")
    pooled = opset8.parameter(ports[1].get_partial_shape(), np.float32, name=_POOLED)
    pooled.output(0).get_tensor().set_names({_POOLED})
    for target in list(ports[1].get_target_inputs()):
        target.replace_source_output(pooled.output(0))
    others = [p for p in second.get_parameters() if p.output(0).get_any_name() in ("rois", "classes", "image_area")]
    try:
        return pooling, Model(second.get_results(), [*others, pooled], "heads")
    except RuntimeError:  # a parameter of the features is still in use
        return None


def _input_of_heads(model: Any) -> Any:
    """What the first convolution of a `roi` graph takes."""
    conv = next(op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution")
    return conv.input(0).get_source_output()


def compile_graph(graph: Path | Any, device: str, threads: int | None, *, precision: Precision = "float32") -> Any:
    """A graph, a file or an `openvino.Model`, ready to run on the CPU."""
    if device not in ("auto", "cpu"):
        raise BadSettings(f"The engine openvino runs on device auto or cpu, not {device!r}. Use engine onnx or torch.")
    check_precision(precision, precisions_here(), engine="openvino", device="cpu")
    # Without this hint OpenVINO computes in bf16 on some CPUs, and results differ from machine to machine.
    config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
        config["ENABLE_CPU_PINNING"] = False  # all processes that leave cores free would take the same ones
    return _core().compile_model(str(graph) if isinstance(graph, Path) else graph, "CPU", config)


def profiled(path: Path, feed: Mapping[str, np.ndarray], runs: int) -> list[tuple[str, str, float]]:
    """Layer, kind and seconds of each operator that was executed in some runs of a graph, in float32."""
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "PERF_COUNT": True}
    compiled = _core().compile_model(str(path), "CPU", config)
    request = compiled.create_infer_request()
    known = {port.any_name for port in compiled.inputs}
    taken = []
    for _ in range(runs):
        request.infer({name: value for name, value in feed.items() if name in known})
        rows = request.get_profiling_info()
        taken += [(row.node_name, row.node_type, row.real_time.total_seconds()) for row in rows if row.real_time]
    return taken


def precisions_here() -> tuple[Precision, ...]:
    """float32, and bfloat16 where the processor has instructions for it."""
    has_bfloat16 = "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("float32", "bfloat16") if has_bfloat16 else ("float32",)


@cache
def _core() -> Any:
    """The process's one core, which is never freed.

    A core gives the thread that compiles a stack for signals and, when it is freed, puts back the one that it met. With two cores
    that can be the freed one of the other, and then the next signal, such as Ctrl-C, ends the process (docs/upstream.md).
    """
    with no_telemetry():
        try:
            import openvino
        except ImportError as error:
            raise MissingExtra(f"The engine 'openvino' needs OpenVINO ({error}): pip install openvino") from error
    return openvino.Core()


@contextmanager
def no_telemetry() -> Iterator[None]:
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
