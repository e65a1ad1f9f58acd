"""Processes meet on the device that was chosen, and a shortage in one of them ends all."""

import pytest
import torch

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.interrupts import HeldInterrupts
from napari_centermask.training.run import distributed as distributed_module
from napari_centermask.training.run import loop
from napari_centermask.training.run.distributed import World

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def second_of_two(monkeypatch):
    """The second of two processes on a machine with one GPU; returns the backends by which it met the first."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    met = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(distributed_module.distributed, "init_process_group", lambda backend, **_: met.append(backend))
    monkeypatch.setattr(distributed_module.distributed, "get_rank", lambda: 1)
    return met


def test_processes_on_the_cpu_of_a_machine_with_a_gpu_meet_by_gloo(second_of_two):
    assert World.join(CPU) == World(rank=1, size=2)
    assert second_of_two == ["gloo"]


def test_processes_with_a_gpu_each_meet_by_nccl(second_of_two, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert World.join(CUDA).device(CUDA) == torch.device("cuda:1")
    assert second_of_two == ["nccl"]


def test_more_processes_than_gpus_are_refused(second_of_two):
    with pytest.raises(BadSettings, match="process 2 on this machine and there is 1. Start torchrun with .* 1,"):
        World.join(CUDA)
    assert second_of_two == []


@pytest.fixture
def pair(monkeypatch):
    """Let runs be one of two processes; returns what it says of a shortage, and a list of what the other says, in turn."""
    said, other = [], []

    class Second(World):
        def agree(self, value, device):
            return value

        def any(self, value, device):
            said.append(value)
            return value or (other.pop(0) if other else False)

        def average_gradients(self, model):
            return

        def leave(self):
            return

    monkeypatch.setattr(World, "join", classmethod(lambda cls, device: Second(rank=1, size=2)))
    return said, other


def until_halved(settings):
    """The batch after the first shortage of a run with four tiles."""
    run = loop._Run(settings.model_copy(update={"batch": 4}), lambda *_: {"AP": 0.0}, HeldInterrupts())
    for event in run.events():
        if event.event == "notice":
            return event.batch
    return None


def test_a_shortage_while_loading_reaches_the_other_process(settings, pair, monkeypatch):
    said, _ = pair

    def killed(*_, **__):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")
        yield

    monkeypatch.setattr("napari_centermask.training.data.loader.batches", killed)
    assert until_halved(settings) == 2
    assert said == [True]


def test_a_shortage_of_the_other_process_while_loading_is_met_here(settings, pair):
    said, other = pair
    other.append(True)
    assert until_halved(settings) == 2
    assert said == [False]


def test_another_error_is_not_taken_for_a_shortage(pair):
    said, _ = pair
    with pytest.raises(RuntimeError, match="a bug"), World.join(CPU).sharing_shortage(CPU):
        raise RuntimeError("a bug")
    assert said == []
