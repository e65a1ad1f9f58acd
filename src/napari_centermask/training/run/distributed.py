"""Several processes that train one model, as torchrun starts them: on several GPUs, or on CPUs with gloo.

`torchrun --nproc-per-node 2 -m napari_centermask train run.json` is all it takes. Each process computes part of
the batch; losses and gradients are joined to those of one process with the same batch. The first one decides, evaluates, saves
and reports.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn

from napari_centermask.core.errors import BadSettings
from napari_centermask.training.losses.weighed import counts_of
from napari_centermask.training.run.shortage import is_out_of_memory

PATIENCE = datetime.timedelta(hours=12)
"""How long the others wait for the first, which may be evaluating or paused: a choice, over night."""


@dataclass(frozen=True)
class World:
    """All processes of a run.

    Attributes
    ----------
    rank
        Number of this one; the first is 0.
    size
        Number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: torch.device) -> World:
        """Join the processes that torchrun started; a single process without torchrun.

        Parameters
        ----------
        device
            The chosen device, for communication between the processes.

        Raises
        ------
        BadSettings
            If there are fewer GPUs than processes.
        """
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1 or "RANK" not in os.environ:
            return cls()
        if device.type == "cuda":
            _check_gpus(int(os.environ.get("LOCAL_RANK", os.environ["RANK"])))
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
        return cls(distributed.get_rank(), size)

    @property
    def is_first(self) -> bool:
        """Whether this process decides and reports."""
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """The GPU of this process if there are several."""
        if self.size > 1 and chosen.type == "cuda":
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))
        return chosen

    def join_losses(
        self, losses: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """What this process adds to the losses of the whole batch, and those losses.

        A loss is a mean over the cells or regions of a part of the batch, and parts have different numbers of them; a plain
        mean of the processes would not be the loss that one process computes from all tiles.

        Returns
        -------
        parts
            Scalars of the graph. Their gradients, averaged over the processes, are those of the whole batch.
        whole
            Scalars, the same in all processes.
        """
        if self.size == 1:
            return dict(losses), {name: value.detach() for name, value in losses.items()}
        names, counts = sorted(losses), counts_of(losses)
        weights = torch.stack([counts[name].float() for name in names])
        sums = torch.stack([losses[name].detach().float() for name in names]) * weights
        total = torch.stack([weights, sums])
        distributed.all_reduce(total)
        divisor = torch.where(total[0] > 0, total[0], 1.0)
        shares, whole = (weights * self.size / divisor).unbind(), (total[1] / divisor).unbind()
        parts = {name: losses[name] * share for name, share in zip(names, shares, strict=True)}
        return parts, dict(zip(names, whole, strict=True))

    def average_gradients(self, model: nn.Module) -> None:
        """Make all gradients the mean over the processes; a missing one counts as zero, the same everywhere."""
        if self.size == 1:
            return
        learning = [p for p in model.parameters() if p.requires_grad]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in learning])
        distributed.all_reduce(flat)
        flat /= self.size
        parts = flat.split([p.numel() for p in learning])
        for parameter, part in zip(learning, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def agree(self, value: bool, device: torch.device) -> bool:
        """The value of the first process."""
        if self.size == 1:
            return value
        word = torch.tensor([int(value)], device=device)
        distributed.broadcast(word, src=0)
        return bool(word.item())

    def any(self, value: bool, device: torch.device) -> bool:
        """Whether the value is true in at least one process."""
        if self.size == 1:
            return value
        word = torch.tensor([int(value)], device=device)
        distributed.all_reduce(word, distributed.ReduceOp.MAX)
        return bool(word.item())

    @contextmanager
    def sharing_shortage(self, device: torch.device) -> Iterator[None]:
        """Raise an out-of-memory error of one process in all of them."""
        shortage: BaseException | None = None
        try:
            yield
        except (OSError, RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            shortage = error
        if self.any(shortage is not None, device):
            raise shortage or RuntimeError("Another process of this run is out of memory.")

    def leave(self) -> None:
        """Leave the process group."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def _check_gpus(number: int) -> None:
    """Raise an error if there is no GPU for this process; `number` is its number on this machine."""
    count = torch.cuda.device_count()
    if number >= count:
        raise BadSettings(
            f"Each process needs a GPU; this is process {number + 1} on this machine and there {_are(count)}. "
            f"Start torchrun with --nproc-per-node {count}, or train with --device cpu."
        )


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
