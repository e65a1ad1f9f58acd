"""Memory of GPUs as NVML tells it; None without a GPU."""

from types import SimpleNamespace

import pytest

from napari_centermask.engines import gpu_memory
from napari_centermask.engines.gpu_memory import GpuPeak, used_mb


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs, of which each look finds more in use, up to 300 MiB on each."""
    used = iter([100, 100, 200, 200, *[300] * 1000])

    def count(pointer):
        pointer._obj.value = 2
        return 0

    def memory(device, pointer):
        pointer._obj.used = next(used) << 20
        return 0

    library = SimpleNamespace(
        nvmlDeviceGetCount_v2=count,
        nvmlDeviceGetHandleByIndex_v2=lambda number, pointer: 0,
        nvmlDeviceGetMemoryInfo=memory,
    )
    monkeypatch.setattr(gpu_memory, "_library", lambda: library)


def test_the_memory_of_all_gpus_is_added(gpus):
    assert [used_mb(), used_mb()] == [200, 400]


def test_the_peak_is_the_most_that_was_seen(gpus):
    with GpuPeak() as peak:
        used_mb()
    assert peak.most_mb == 600


def test_without_a_gpu_there_is_no_figure(monkeypatch):
    monkeypatch.setattr(gpu_memory, "_library", lambda: None)
    with GpuPeak() as peak:
        pass
    assert (used_mb(), peak.most_mb) == (None, None)
