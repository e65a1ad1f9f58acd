"""Engines and devices that can work here, found without loading any of them."""

from __future__ import annotations

import ctypes
import os
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from napari_centermask.core.extras import is_installed

PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime", "torch": "torch", "tensorrt": "tensorrt"}
"""Engines, and the modules that they need."""

IN_NAPARI = ("openvino", "onnx")
"""Engines that can run inside napari, where torch must not be loaded (docs/architecture.md)."""


def cuda_works() -> bool:
    """Whether a CUDA driver can be loaded; checked first, as ONNX Runtime prints errors if it cannot."""
    return driver() is not None


def tensorrt_works() -> bool:
    """Whether a CUDA driver and TensorRT 10, which ONNX Runtime's provider is made for, can be loaded."""
    return cuda_works() and _library("nvinfer_10.dll" if os.name == "nt" else "libnvinfer.so.10") is not None


def count_gpus() -> int:
    """Number of NVIDIA GPUs that the driver shows; 0 without a driver."""
    loaded = driver()
    number = ctypes.c_int(0)
    if loaded is None or loaded.cuInit(0) or loaded.cuDeviceGetCount(ctypes.byref(number)):
        return 0
    return number.value


def engines_in_napari() -> tuple[str, ...]:
    """What the setting `engine` can be inside napari."""
    return ("auto", *(name for name in IN_NAPARI if find_spec(PACKAGES[name]) is not None))


def devices_in_napari() -> tuple[str, ...]:
    """What the setting `device` can be for a segmentation inside napari: with GPUs only if ONNX Runtime is made for them.

    Several GPUs are offered one by one, and all together, which share the tiles.
    """
    gpus = _gpus() if is_installed("onnxruntime-gpu") else ()
    together = (",".join(gpus),) if len(gpus) > 1 else ()
    return ("auto", "cpu", *gpus, *together, *(("tensorrt",) if gpus and tensorrt_works() else ()))


def precisions_in_napari() -> tuple[str, ...]:
    """What the setting `precision` can be inside napari: bfloat16 unless the processor lacks it, float16 on TensorRT."""
    half = ("float16",) if "tensorrt" in devices_in_napari() else ()
    return ("auto", "float32", *(("bfloat16",) if _may_have_bfloat16() else ()), *half)


def _may_have_bfloat16() -> bool:
    """Whether Linux lists instructions for it; elsewhere only a runtime can tell, which takes time to load."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return True
    words = set(info.read_text(encoding="utf-8", errors="replace").split())
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def devices_for_training() -> tuple[str, ...]:
    """What the setting `device` can be for a training: with GPUs only if torch is made for them."""
    return ("auto", "cpu", *(_gpus() if torch_has_cuda() else ()))


def torch_has_cuda() -> bool:
    """Whether the torch that is installed is made for CUDA, by its version, so that it needs not be imported."""
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def _gpus() -> tuple[str, ...]:
    n = count_gpus()
    return ("cuda",) * (n == 1) or tuple(f"cuda:{k}" for k in range(n))


def driver() -> ctypes.CDLL | None:
    """The CUDA driver, None without."""
    return _library("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")


def _library(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
