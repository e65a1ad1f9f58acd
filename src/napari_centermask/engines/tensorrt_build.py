"""Build a TensorRT engine from an ONNX graph, or take the one that was built before on this GPU with this version.

The precision of a graph that is quantised (QDQ) is its own: the network is then strongly typed. A float32 graph is built
with TensorRT 10's flags; TensorRT 11 has none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.engines.cache_folder import engine_folder
from napari_centermask.engines.graphs import DENSE_INPUT
from napari_centermask.engines.providers import TILES
from napari_centermask.engines.runtime import Precision
from napari_centermask.io.whole_file import whole_file

_FLAGS = {"float16": "FP16", "bfloat16": "BF16"}
_TYPED = (b"QuantizeLinear", b"DequantizeLinear")
"""Operators by which a graph says its precision itself."""
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Build:
    """How an engine is built.

    Attributes
    ----------
    channels
        Of the input.
    precision
        Of layers that may be rounded.
    float32_layers
        Beginnings of the names of layers that stay float32 in a lower precision.
    workspace
        Bytes that TensorRT may use while it tries kernels.
    level
        How long it tries, 0 to 5.
    smallest, usual, largest
        (tiles, height, width) that it takes, and that it is fastest with.
    """

    channels: int
    precision: Precision = "float32"
    float32_layers: tuple[str, ...] = ()
    workspace: int = 2 << 30
    level: int = 3
    smallest: Shape = TILES["min"]
    usual: Shape = TILES["opt"]
    largest: Shape = TILES["max"]

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether an input (B, C, H, W) lies between the smallest and the largest."""
        tiles, _, height, width = shape
        sides = zip((tiles, height, width), self.smallest, self.largest, strict=True)
        return all(low <= side <= high for side, low, high in sides)


def engine_file(graph: Path, build: Build, *, version: str, gpu: str) -> Path:
    """Where the engine of a graph is kept: another version, GPU, graph or way to build has another file."""
    text = repr((sorted(asdict(build).items()), version, gpu))
    return engine_folder(graph) / f"{graph.stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.engine"


def built_engine(
    trt: Any, graph: Path, build: Build, *, gpu: str, say: Callable[[str], None] = lambda text: None
) -> Any:
    """An engine, from the disk or built now, which takes minutes.

    Parameters
    ----------
    trt
        The module tensorrt.
    gpu
        Name and compute capability.
    say
        Called before it is built.

    Raises
    ------
    BadModel, BadSettings
        If the graph cannot be parsed or built, or the precision not be asked for.
    """
    path = engine_file(graph, build, version=trt.__version__, gpu=gpu)
    logger = trt.Logger(trt.Logger.ERROR)
    runtime = trt.Runtime(logger)
    if path.is_file():
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is not None:  # it is None for a file that is damaged, or whose driver was changed
            return engine
    say(f"Building {graph.stem} for {gpu} with TensorRT {trt.__version__}. This takes some minutes, once.")
    plan = _build(trt, logger, graph, build, timing=path.with_name(f"timing-{trt.__version__}.cache"))
    with whole_file(path) as part:
        part.write_bytes(plan)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise BadModel(f"TensorRT cannot load what it built from {graph.name}. Use the engine onnx on device cuda.")
    return engine


def _build(trt: Any, logger: Any, graph: Path, build: Build, *, timing: Path) -> bytes:
    builder = trt.Builder(logger)
    content = graph.read_bytes()
    is_typed = any(name in content for name in _TYPED)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if is_typed else 0
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        faults = "; ".join(str(parser.get_error(n)) for n in range(parser.num_errors))
        raise BadModel(f"TensorRT cannot use {graph.name}: {faults}. Use the engine onnx on device cuda.")
    config = _config(trt, builder, build, is_typed=is_typed)
    if build.float32_layers and not is_typed:
        _keep_float32(trt, network, config, build.float32_layers)
    cache = config.create_timing_cache(timing.read_bytes() if timing.is_file() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BadModel(f"TensorRT cannot build {graph.name} on this GPU. Use the engine onnx on device cuda.")
    with whole_file(timing) as part:
        part.write_bytes(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def _config(trt: Any, builder: Any, build: Build, *, is_typed: bool) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, build.workspace)
    config.builder_optimization_level = build.level
    profile = builder.create_optimization_profile()
    shapes = [(tiles, build.channels, h, w) for tiles, h, w in (build.smallest, build.usual, build.largest)]
    profile.set_shape(DENSE_INPUT, *shapes)
    config.add_optimization_profile(profile)
    if build.precision != "float32" and not is_typed:
        flag = getattr(trt.BuilderFlag, _FLAGS[build.precision], None)
        if flag is None:
            raise BadSettings(
                f"TensorRT {trt.__version__} takes the precision from the graph, and this graph is float32. "
                "Use TensorRT 10 (tensorrt-cu13<11), a quantised model, or --precision float32."
            )
        config.set_flag(flag)
    return config


def _keep_float32(trt: Any, network: Any, config: Any, names: Sequence[str]) -> None:
    """Make layers compute in float32 whatever the others do."""
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for number in range(network.num_layers):
        layer = network.get_layer(number)
        if layer.name.startswith(tuple(names)):
            layer.precision = trt.float32
            for output in range(layer.num_outputs):
                layer.set_output_type(output, trt.float32)
