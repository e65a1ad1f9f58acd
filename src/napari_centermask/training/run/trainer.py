"""The state of a run: model, optimiser, averaged weights and progress, saved and restored together."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from napari_centermask.core.errors import TrainingFailed
from napari_centermask.models.idle_settings import idle_in_training, refuse_idle
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.network import Network
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.inputs import check_inputs, follow_card
from napari_centermask.training.data.parts import parts_of
from napari_centermask.training.run.device import choose_device, choose_precision, tune_malloc
from napari_centermask.training.run.distributed import World
from napari_centermask.training.run.optimise import freeze, learning_rate, make_optimiser, set_rate
from napari_centermask.training.run.start import make_start
from napari_centermask.training.run.state import StateFiles


class Average:
    """Exponential moving average of a model's weights and norm statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model; faster at the start."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))  # as TensorFlow's ExponentialMovingAverage
        for key, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value.to(self.state[key].dtype), 1 - decay)
            else:
                self.state[key].copy_(value)


@dataclass
class TrainingProgress:
    """Progress of a run; saved with each checkpoint.

    Attributes
    ----------
    tiles
        Tiles drawn so far; -1 in checkpoints of older versions, which always had step x batch.
    batch
        Tiles per step if lack of memory reduced them; 0 for the number in the settings.
    stale
        Number of evaluations since the best one.
    drops
        How often the schedule "plateau" has lowered the learning rate.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    curves: list[dict[str, float]] = field(default_factory=list)
    tiles: int = -1
    batch: int = 0
    stale: int = 0
    drops: int = 0


class Trainer:
    """A run: model, optimiser, average and progress, saved and restored together.

    Attributes
    ----------
    most_cells
        In the fullest tile so far, where the memory of a step depends on it; else 0.
    """

    def __init__(self, settings: TrainSettings) -> None:
        tune_malloc()
        torch.manual_seed(settings.seed)
        device = choose_device(settings.device)
        self.world = World.join(device)
        self.device = self.world.device(device)
        self.precision = choose_precision(settings.amp, self.device)
        self.start = make_start(settings)
        self.model = self.start.model.to(self.device).to(memory_format=torch.channels_last)
        if not settings.resume:
            refuse_idle(settings, idle_in_training(settings, self.start.card, processes=self.world.size))
        if settings.start is not None:  # the network and the tiles follow the start model
            settings = follow_card(settings.model_copy(update={"model": self.model.settings}), self.start.card)
        check_inputs(settings)
        self.settings = settings
        self.parts = parts_of(settings.model)
        self.class_weights = self._weights()
        freeze(self.model, settings.freeze)
        self.optimiser = make_optimiser(self.model, settings)
        self.average = Average(self.model, settings.ema)
        self._kept = {} if settings.start is None or not settings.keep else copy.deepcopy(self.model.state_dict())
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        self.progress = TrainingProgress()
        self.most_cells = 0
        self._facts: dict[str, dict[str, Any]] = {}
        settings.out.mkdir(parents=True, exist_ok=True)
        self.files = StateFiles(settings.out)

    def read_facts(self) -> dict[str, dict[str, Any]]:
        """What the card says about the data, see `data_facts`; read once, as a folder may disappear during training."""
        if not self._facts:
            from napari_centermask.training.data.facts import data_facts

            self._facts = data_facts(self.settings, self.start.trained_on)
        return self._facts

    @property
    def batch(self) -> int:
        """Tiles per step; fewer than set if memory ran out, also before a run was resumed with other settings."""
        return min(self.progress.batch or self.settings.batch, self.settings.batch)

    @property
    def tiles(self) -> int:
        """Number of tiles drawn so far."""
        return self.progress.tiles if self.progress.tiles >= 0 else self.progress.step * self.settings.batch

    def save(self) -> None:
        """Write the state; the previous one is kept."""
        self.files.write(
            {
                "model": self.model.state_dict(),
                "average": self.average.state,
                "updates": self.average.updates,
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
                "progress": vars(self.progress),
                "torch_rng": torch.get_rng_state(),
            }
        )

    def resume(self) -> str | None:
        """Resume from the newest state that can be read; see `StateFiles.read`."""
        damaged = self.files.read(self._restore)
        return f"{damaged}, step {self.progress.step}." if damaged else None

    def _restore(self, state: dict[str, Any]) -> None:
        """Load a state with tensors on the CPU."""
        progress = TrainingProgress(**state["progress"])
        self.model.load_state_dict(state["model"])
        _check_kind(self.optimiser, state["optimiser"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:  # empty if the run had another precision before
            self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["torch_rng"])
        self.average.state = {name: tensor.to(self.device) for name, tensor in state["average"].items()}
        self.average.updates = state["updates"]
        self.progress = progress

    @property
    def done(self) -> float:
        """Fraction of the run that is over, in [0, 1]."""
        part = self.progress.step / self.settings.steps
        if self.settings.minutes:
            part = max(part, self.progress.seconds / (60 * self.settings.minutes))
        return min(part, 1.0)

    def _weights(self) -> torch.Tensor | None:
        """Of the classes, (classes,) float32; None where all weigh alike."""
        weights = self.parts.class_weights(self.settings)
        return None if weights is None else torch.from_numpy(weights).to(self.device)

    def losses(self, images: torch.Tensor, truths: object) -> dict[str, torch.Tensor]:
        """Of a batch, in training mode and precision; scalars of a graph."""
        self.model.train()
        if self.settings.start is not None:
            freeze_norms(self.model)
        images = images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            return self._losses(images, truths)

    def gradients(self, losses: dict[str, torch.Tensor]) -> None:
        """Replace the gradients of the parameters with those of the losses."""
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(functools.reduce(torch.add, losses.values())).backward()

    def _losses(self, images: torch.Tensor, truths: object) -> dict[str, torch.Tensor]:
        return self.parts.losses(self.model, images, truths, self.settings, class_weights=self.class_weights)

    def step(self, images: torch.Tensor, truths: object, *, rate: float | None = None) -> dict[str, float]:
        """One step; returns the losses.

        Parameters
        ----------
        rate
            Learning rate to use instead of the schedule's.

        Raises
        ------
        TrainingFailed
            If a loss is not finite; the weights are unchanged.
        RuntimeError, MemoryError
            If memory runs out, here or in another process of the run; the weights are unchanged.
        """
        self.most_cells = max(self.most_cells, self.parts.most_cells(truths))
        if rate is None:
            rate = learning_rate(self.settings, self.progress.step, self.done, drops=self.progress.drops)
        set_rate(self.optimiser, rate)
        losses = self._backward(images, truths)
        self.world.average_gradients(self.model)
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        if torch.isfinite(norm) or self.scaler.is_enabled():
            self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update(self.model)
        self.progress.tiles = self.tiles + len(images) * self.world.size
        self.progress.step += 1
        return {k: float(v) for k, v in losses.items()} | {"learning_rate": rate, "gradient_norm": float(norm)}

    def _backward(self, images: torch.Tensor, truths: object) -> dict[str, torch.Tensor]:
        """Losses of the whole batch, with the gradients of this process's part in the parameters.

        Lack of memory in one process is raised in all of them, and so are losses that are not finite.
        """
        with self.world.sharing_shortage(self.device):
            losses = self.losses(images, truths)
        parts, whole = self.world.join_losses(losses)
        self._check(whole)
        with self.world.sharing_shortage(self.device):
            self.gradients(parts)
        return whole

    def _check(self, losses: dict[str, torch.Tensor]) -> None:
        bad = [name for name, value in losses.items() if not torch.isfinite(value)]
        if bad:
            raise TrainingFailed(
                f"{', '.join(bad)} became infinite or not a number at step "
                f"{self.progress.step}. Resume from the last checkpoint with a smaller learning rate "
                f"(now {self.settings.learning_rate:g}) or with amp=off.",
                reason="numbers",
                remedy={"learning_rate": self.settings.learning_rate / 5, "amp": "off"},  # a fifth is a choice
            )

    def averaged(self) -> Network:
        """A copy of the model with the averaged weights, mixed with the start model's if set, in evaluation mode.

        A mean of the weights before and after fine-tuning is often better than either on the new data, and forgets less
        (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
        """
        model = build_model(self.model.settings)
        state = self.average.state if self.settings.ema else self.model.state_dict()
        if self._kept:
            state = {
                k: v.lerp(self._kept[k].to(v.dtype), self.settings.keep) if v.dtype.is_floating_point else v
                for k, v in state.items()
            }
        model.load_state_dict(state)
        return model.to(self.device).to(memory_format=torch.channels_last).eval()


def _check_kind(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Raise ValueError for the state of another kind of optimiser; PyTorch notices it only at the next step."""
    if ("betas" in state["param_groups"][0]) != ("betas" in optimiser.param_groups[0]):
        raise ValueError("the checkpoint is from another optimiser")


def freeze_norms(model: nn.Module) -> None:
    """Freeze the batch norm statistics, as fine-tuning on few images would spoil them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
