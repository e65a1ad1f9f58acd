"""The exact command line of a rented machine, under torchrun with two CPU processes: the losses are those of one process."""

import os
import re
import subprocess
import sys

import pytest
import torch

from napari_centermask.cloud.staging import stage
from napari_centermask.events import LOSS, DoneEvent, StartEvent, StepEvent, parse
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.training.run import loop


def by_torchrun(staged, processes):
    """The events of the command in its folder, its inputs replaced as the service does."""
    command = re.sub(r"\$\{\{inputs\.(\w+)\}\}", lambda name: str(staged.inputs[name[1]]), staged.command)
    command = command.replace("python ", f"{sys.executable} ", 1)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "--no-python"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *torchrun, "bash", "-c", command],
        cwd=staged.code,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [event for line in done.stdout.splitlines() if (event := parse(line)) is not None]


def last(events, kind):
    return [event for event in events if isinstance(event, kind)][-1]


def test_two_processes_have_the_losses_of_one_with_the_same_batch(settings, tmp_path):
    torch.manual_seed(0)
    parent = tmp_path / "parent.safetensors"
    card = ModelCard(name="parent", licence="CC0-1.0", model=settings.model, diameter=28.0)
    save_model(parent, build_model(settings.model), card)
    settings = settings.model_copy(update={"start": str(parent), "batch": 4, "steps": 2, "evaluate_every": 2})
    both = by_torchrun(stage(settings, tmp_path / "staged"), 2)
    alone = list(loop.train(settings, evaluate=lambda *_: {"AP": 0.0}))
    assert len([event for event in both if isinstance(event, StartEvent)]) == 1
    assert last(both, DoneEvent).step == 2
    one, two = last(alone, StepEvent), last(both, StepEvent)
    assert all(name.startswith(LOSS) for name in one.losses)
    assert two.losses == pytest.approx(one.losses, rel=1e-4)
    assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
    assert (tmp_path / "staged" / "code" / "outputs" / "run" / "best.safetensors").exists()
