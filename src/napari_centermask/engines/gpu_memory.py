"""Memory of NVIDIA GPUs as the driver's management library reports it; whichever runtime asked for it."""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from types import TracebackType

_EVERY_S = 0.01  # between two looks while something runs: a choice, a tile takes longer
_MIB = 2**20


class _Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


@cache
def _library() -> ctypes.CDLL | None:
    """NVML, started; None without."""
    try:
        library = ctypes.CDLL("nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1")
    except OSError:
        return None
    return None if library.nvmlInit_v2() else library


def used_mb() -> float | None:
    """Memory in use on all NVIDIA GPUs together, MiB; None without one."""
    library = _library()
    count = ctypes.c_uint(0)
    if library is None or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) or not count.value:
        return None
    total = 0
    for number in range(count.value):
        device, memory = ctypes.c_void_p(), _Memory()
        if library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(device)):
            continue
        if library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) == 0:
            total += int(memory.used)
    return total / _MIB


class GpuPeak:
    """The most memory in use on the GPUs while a block runs, looked at every hundredth of a second.

    Attributes
    ----------
    most_mb
        MiB; None without a GPU.
    """

    def __init__(self) -> None:
        self.most_mb: float | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> GpuPeak:
        self.most_mb = used_mb()
        if self.most_mb is not None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        self.most_mb = max(self.most_mb or 0.0, used_mb() or 0.0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._look()
