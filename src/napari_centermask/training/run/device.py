"""Devices, precision and memory for training."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform

import torch

from napari_centermask.core.errors import BadSettings


def tune_malloc() -> None:
    """Keep large blocks in glibc's heap: freeing and mapping them at each step takes 1.4 times as long."""
    if (libc := _glibc()) is not None:
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def give_back(device: torch.device) -> None:
    """Return unused memory of PyTorch and the C library to the system."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library if it is glibc."""
    name = ctypes.util.find_library("c") if platform.system() == "Linux" else None
    libc = None if name is None else ctypes.CDLL(name)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


def choose_device(name: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    BadSettings
        If a CUDA device is requested and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BadSettings(f"PyTorch has no CUDA device for device={name!r}. Use --device cpu.")
    return torch.device(name)


def choose_precision(setting: str, device: torch.device) -> torch.dtype | None:
    """Autocast type, None for float32; bf16 is chosen only if the hardware supports it (emulation is slower)."""
    if setting == "off":
        return None
    if setting != "auto":
        return torch.bfloat16 if setting == "bf16" else torch.float16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type != "cpu":
        return None
    features = torch.cpu.get_capabilities()
    return torch.bfloat16 if features.get("avx512_bf16") or features.get("amx_bf16") else None


def memory_mb(device: torch.device) -> float:
    """Memory in use: peak of the GPU, or of this process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    import psutil

    return round(psutil.Process().memory_info().rss / 1e6, 1)


def capacity(device: torch.device) -> str:
    """The memory of the device, in words."""
    if device.type == "cuda":
        return f"The GPU has {torch.cuda.get_device_properties(device).total_memory / 1e9:.0f} GB"
    import psutil

    return f"This machine has {psutil.virtual_memory().total / 1e9:.0f} GB"
