"""Time limits count a training's own work."""

import types

import pytest
import torch

from napari_centermask.training.run import work_clock
from napari_centermask.training.run.work_clock import WorkClock


@pytest.fixture
def machine(monkeypatch):
    """A machine whose clocks are set by the test, with two threads."""
    now = types.SimpleNamespace(passed=0.0, spent=0.0)
    fake = types.SimpleNamespace(monotonic=lambda: now.passed, process_time=lambda: now.spent)
    monkeypatch.setattr(work_clock, "time", fake)
    monkeypatch.setattr(work_clock.torch, "get_num_threads", lambda: 2)
    return now


def test_on_an_idle_cpu_the_time_that_passes_counts(machine):
    clock = WorkClock(torch.device("cpu"))
    machine.passed, machine.spent = 10.0, 17.0
    assert clock.lap() == 10.0
    assert clock.slowdown == 1.0


def test_on_a_busy_cpu_only_the_work_counts_and_the_slowdown_is_known(machine):
    clock = WorkClock(torch.device("cpu"))
    machine.passed, machine.spent = 100.0, 12.0
    assert clock.lap() == pytest.approx(10.0)
    assert clock.slowdown == pytest.approx(10.0)


def test_the_slowdown_is_the_present_one(machine):
    clock = WorkClock(torch.device("cpu"))
    for _ in range(40):  # an idle machine, which then has much to do
        machine.passed += 1.0
        machine.spent += 2.0
        clock.lap()
    assert clock.slowdown == 1.0
    for _ in range(40):
        machine.passed += 5.0
        machine.spent += 1.2
        clock.lap()
    assert clock.slowdown == pytest.approx(5.0)


def test_on_a_gpu_the_time_that_passes_counts(machine):
    clock = WorkClock(torch.device("cuda"))
    machine.passed, machine.spent = 100.0, 12.0
    assert clock.lap() == 100.0


def test_a_pause_counts_nothing(machine):
    clock = WorkClock(torch.device("cpu"))
    machine.passed = machine.spent = 50.0
    clock.restart()
    machine.passed, machine.spent = 51.0, 52.0
    assert clock.lap() == 1.0
