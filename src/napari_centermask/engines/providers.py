"""ONNX Runtime's execution providers: which device each stands for, and with which options it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.extras import how_to_use_gpu
from napari_centermask.engines.devices import cuda_works, tensorrt_works
from napari_centermask.engines.runtime import Precision, split_device

Options = dict[str, str]
CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Provider of each kind of device."""
TILES = {"min": (1, 64, 64), "opt": (1, 1024, 1024), "max": (8, 1152, 1152)}
"""(tiles, height, width) that a TensorRT engine is built for: the smallest input of the pipeline, a whole tile, and several
of the largest, as a tile may be an eighth larger than asked."""
MOST_TILES = TILES["max"][0]
"""Tiles that a TensorRT engine takes at once."""
_WORKSPACE = 2 << 30  # bytes that TensorRT may use while it tries kernels: a choice, a quarter of a small GPU


def check_tiles(batch: int) -> None:
    """Refuse more tiles at once than TensorRT's engines are built for.

    Raises
    ------
    BadSettings
        Naming how many they take.
    """
    if batch > MOST_TILES:
        raise BadSettings(
            f"TensorRT takes up to {MOST_TILES} tiles at once here, not {batch}. Choose --batch {MOST_TILES}."
        )


def offered_devices(runtime: ModuleType) -> list[str]:
    """The kinds of devices that the installed ONNX Runtime is made for and that have a driver here."""
    there = runtime.get_available_providers()
    works = {"cuda": cuda_works, "tensorrt": tensorrt_works}
    return [kind for kind, name in PROVIDERS.items() if name in there and works.get(kind, lambda: True)()]


def providers_for(
    runtime: ModuleType, device: str, *, precision: Precision = "float32", cache: Path | None = None, channels: int = 0
) -> list[tuple[str, Options]]:
    """The providers of a session, the wanted one first and the CPU last, for operators that it does not have.

    Parameters
    ----------
    device
        "auto" (CUDA if it works), "cpu", "cuda", "cuda:1", "tensorrt", "coreml", "directml", ...
    cache
        Folder for TensorRT's engines.
    channels
        Of the network's input, for TensorRT's shapes; 0 for a graph that has no image as input.

    Raises
    ------
    BadSettings
        If the device is not known, or not there.
    """
    offered = offered_devices(runtime)
    kind, number = split_device("cuda" if device == "auto" and "cuda" in offered else device.replace("auto", "cpu"))
    if kind not in PROVIDERS:
        raise BadSettings(
            f"The engine onnx runs on {', '.join(['auto', *offered])}, not on '{device}'. Choose one of these."
        )
    if kind not in offered:
        raise BadSettings(f"device={device!r} cannot be used: {_why_not(kind)}")
    if kind == "cpu":
        return [(CPU, {})]
    chosen = [(PROVIDERS[kind], _options(kind, number, precision, cache, channels))]
    if kind == "tensorrt":  # what it cannot build goes to CUDA
        chosen.append((PROVIDERS["cuda"], _options("cuda", number, precision, cache, channels)))
    return [*chosen, (CPU, {})]


def _why_not(kind: str) -> str:
    if kind == "cuda":
        return f"this machine has no CUDA driver or no onnxruntime-gpu. Use device cpu, or: {how_to_use_gpu()}"
    if kind == "tensorrt":
        return (
            "this machine has no CUDA driver, no onnxruntime-gpu, or no TensorRT 10. Use device cuda, or: "
            f'{how_to_use_gpu()} && pip install "tensorrt-cu13>=10.13.2.6,<11"'
        )
    return f"the installed ONNX Runtime has no {PROVIDERS[kind]}. Use device cpu."


def _options(kind: str, number: int, precision: Precision, cache: Path | None, channels: int) -> Options:
    if kind == "cuda":
        # Tiles vary in size, so do not tune convolutions for each shape.
        return {"device_id": str(number), "cudnn_conv_algo_search": "HEURISTIC"}
    if kind == "tensorrt":
        return _tensorrt_options(number, precision, cache, channels)
    if kind == "directml":
        return {"device_id": str(number)}
    return {}


def _tensorrt_options(number: int, precision: Precision, cache: Path | None, channels: int) -> Options:
    """Weakly typed engines of TensorRT 10; a graph that is half or quantised itself needs no flag."""
    options = {
        "device_id": str(number),
        "trt_max_workspace_size": str(_WORKSPACE),
        "trt_fp16_enable": str(int(precision == "float16")),
        "trt_bf16_enable": str(int(precision == "bfloat16")),
        "trt_layer_norm_fp32_fallback": "1",
    }
    if cache is not None:
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(cache),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(cache),
        }
    if channels:
        options |= {f"trt_profile_{name}_shapes": f"image:{_shape(size, channels)}" for name, size in TILES.items()}
    return options


def _shape(size: Sequence[int], channels: int) -> str:
    tiles, height, width = size
    return "x".join(map(str, (tiles, channels, height, width)))
