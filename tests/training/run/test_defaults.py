"""What the defaults know of this machine."""

import sys

import pytest

from napari_centermask.training.run import defaults
from napari_centermask.training.run.defaults import Machine


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine whose driver tells of a GPU with 24 GB."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 24576\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.skipif(sys.platform == "win32", reason="The driver's tool is played by a shell script.")
def test_a_gpu_that_torch_cannot_use_does_not_count(driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Machine.here().gpu_gb == 0


@pytest.mark.skipif(sys.platform == "win32", reason="The driver's tool is played by a shell script.")
def test_the_memory_of_a_gpu_is_what_torch_tells(driver, monkeypatch):
    monkeypatch.setattr(defaults, "_ASK_TORCH", "print('loading')\nprint(23.5)")
    assert Machine.here().gpu_gb == 23.5


def test_without_a_driver_torch_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(defaults, "_ASK_TORCH", "print(23.5)")
    assert Machine.here().gpu_gb == 0
