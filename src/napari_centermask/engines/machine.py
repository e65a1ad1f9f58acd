"""What this computer is, as far as the speed of a network depends on it."""

from __future__ import annotations

import ctypes
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_centermask.engines.devices import count_gpus, driver

RUNTIMES = ("torch", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt-cu13", "tensorrt-cu12")
"""Packages whose versions decide about speed."""


def cpu_name() -> str:
    """The processor, as it calls itself where the system tells."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def n_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpu_names() -> list[str]:
    """NVIDIA GPUs by their numbers; none without a driver."""
    loaded = driver()
    names = []
    for number in range(count_gpus()):
        text = ctypes.create_string_buffer(256)
        device = ctypes.c_int(0)
        if loaded is None or loaded.cuDeviceGet(ctypes.byref(device), number):
            break
        loaded.cuDeviceGetName(text, len(text), device)
        names.append(text.value.decode("utf-8", "replace"))
    return names


def versions(names: tuple[str, ...] = RUNTIMES) -> dict[str, str]:
    """Versions of the packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine_name() -> str:
    """One line for this computer and its runtimes; where it differs, speeds were measured on another one."""
    cores = f"{n_cores()} x {cpu_name()}"
    runtimes = [f"{name} {number}" for name, number in versions().items()]
    return "; ".join([cores, *gpu_names(), *runtimes])
