"""The training loop: a generator of events, so that a shell, a dock and a test drive it alike."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..core.errors import BadSettings, UserError
from ..events import event
from ..models.centermask import CenterMask
from ..models.fcos import flatten, propose
from ..models.losses import Truth, assign, fcos_losses, level_table, mask_losses, mask_targets, sample_regions
from ..settings import TrainSettings

REPORT_EVERY = 20
CHECKPOINT_EVERY = 250
REGIONS = 48
"""Regions per tile that train the mask heads: a quarter foreground, as in the reference (there 512)."""


class TrainingFailed(UserError):
    """Training cannot go on; the message says why and what to change."""


def tune_malloc() -> None:
    """Keep large blocks in glibc's heap: freed and mapped again at each step they cost 1.4 times the time."""
    if platform.system() == "Linux" and (name := ctypes.util.find_library("c")):
        libc = ctypes.CDLL(name)
        if hasattr(libc, "mallopt"):
            libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
            libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def choose_device(name: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    BadSettings
        If a CUDA device is asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BadSettings(f"Expected a CUDA device for device={name!r}, PyTorch sees none. Use --device cpu.")
    return torch.device(name)


def choose_precision(setting: str, device: torch.device) -> torch.dtype | None:
    """Autocast type, None for float32; bf16 on a CPU only where the hardware has it (emulation is slower)."""
    if setting == "off":
        return None
    if setting != "auto":
        return torch.bfloat16 if setting == "bf16" else torch.float16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type != "cpu":
        return None
    features = torch.cpu.get_capabilities()
    return torch.bfloat16 if features.get("avx512_bf16") or features.get("amx_bf16") else None


class Average:
    """Exponential moving average of a model's weights and statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model; faster at the start."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for key, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value.to(self.state[key].dtype), 1 - decay)
            else:
                self.state[key].copy_(value)


@dataclass
class Progress:
    """Where a run stands; saved with each checkpoint."""

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    curves: list[dict[str, float]] = field(default_factory=list)


def make_optimiser(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """SGD or AdamW; biases and norms are not decayed."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def learning_rate(settings: TrainSettings, step: int, done: float) -> float:
    """Rate at a step when the part `done` in [0, 1] of the run is behind."""
    if settings.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    else:  # by ten at 2/3 and 8/9, the proportions of detectron2's schedules
        factor = 0.1 ** ((done >= 2 / 3) + (done >= 8 / 9))
    return settings.learning_rate * max(factor, 1e-3) * min(1.0, (step + 1) / max(settings.warmup, 1))


def batch_losses(model: CenterMask, images: torch.Tensor, truths: list[Truth]) -> dict[str, torch.Tensor]:
    """All losses of one batch.

    Parameters
    ----------
    images
        (B, C, H, W) float32, normalised.
    truths
        One per image.

    Returns
    -------
    dict of scalar tensors: loss_fcos_cls, loss_fcos_loc, loss_fcos_ctr, loss_mask, loss_maskiou.
    """
    pyramid = model.pyramid(images)
    maps = model.proposal_generator.fcos_head(pyramid)
    shapes = [tuple(m.shape[2:]) for m in maps[0]]
    table = level_table(shapes, model.strides, device=images.device)
    logits, ltrb, centerness = (flatten(m).float() for m in maps)
    n_classes = logits.shape[2]
    assignments = [assign(t.boxes, t.classes, table, n_classes) for t in truths]
    ignored = torch.stack([_inside_any(table[0], t.ignore) for t in truths])
    losses = fcos_losses(logits, ltrb, centerness[..., 0], assignments, ignored=ignored)
    pixels = ltrb.detach() * table[1][:, None]
    proposals = propose(logits.detach(), pixels, centerness.detach()[..., 0], table[0])
    return losses | _region_losses(model, pyramid, proposals, truths, images.shape)


def _region_losses(model, pyramid, proposals, truths, shape) -> dict[str, torch.Tensor]:
    rois, classes, targets, inside = [], [], [], []
    for i, ((boxes, _), truth) in enumerate(zip(proposals, truths, strict=True)):
        sample = sample_regions(boxes, truth.boxes, count=REGIONS)
        front = sample.indices[: sample.foreground]
        matched = sample.matched[: sample.foreground]
        chosen = torch.cat([boxes, truth.boxes])[front]
        rois.append(torch.cat([torch.full_like(chosen[:, :1], i), chosen], dim=1))
        classes.append(truth.classes[matched])
        target, part = mask_targets(truth.masks, matched, chosen)
        targets.append(target)
        inside.append(part)
    area = float(shape[2] * shape[3])
    logits, iou = model.roi(*pyramid[:3], torch.cat(rois), torch.cat(classes), area)
    iou = iou.float() if model.settings.maskiou else None
    return mask_losses(logits.float(), iou, torch.cat(targets), torch.cat(inside))


def _inside_any(points: torch.Tensor, boxes: torch.Tensor | None) -> torch.Tensor:
    if boxes is None or len(boxes) == 0:
        return torch.zeros(len(points), dtype=torch.bool, device=points.device)
    low = points[:, None] > boxes[None, :, :2]
    high = points[:, None] < boxes[None, :, 2:]
    return (low & high).all(2).any(1)


class Trainer:
    """One run: model, optimiser, average and progress, saved together and resumed together."""

    def __init__(self, settings: TrainSettings) -> None:
        tune_malloc()
        self.settings = settings
        torch.manual_seed(settings.seed)
        self.device = choose_device(settings.device)
        self.precision = choose_precision(settings.amp, self.device)
        self.model, self.parent = self._make_model()
        self.optimiser = make_optimiser(self.model, settings)
        self.average = Average(self.model, settings.ema)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        self.progress = Progress()
        settings.out.mkdir(parents=True, exist_ok=True)

    def _make_model(self) -> tuple[CenterMask, str | None]:
        if self.settings.start is None:
            model, parent = CenterMask(self.settings.model), None
        else:
            from ..models.checkpoint import load_model
            from ..models.zoo import find_model

            files = find_model(self.settings.start)
            if files.weights is None:
                raise BadSettings(f"Expected a model with weights to start from, {files.name} has only ONNX graphs.")
            model, card = load_model(files.weights)
            parent = card.name
        return model.to(self.device, memory_format=torch.channels_last), parent

    @property
    def checkpoint(self) -> Path:
        """The newest state, replaced as a whole."""
        return self.settings.out / "last.pt"

    def save(self) -> None:
        """Write the state under a temporary name and rename it."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state,
            "updates": self.average.updates,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "progress": vars(self.progress),
            "torch_rng": torch.get_rng_state(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.checkpoint)

    def resume(self) -> None:
        """Go on from the run folder's checkpoint.

        Raises
        ------
        TrainingFailed
            If it is missing or cannot be read.
        """
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        except FileNotFoundError:
            raise TrainingFailed(f"Expected a checkpoint to resume from, {self.checkpoint} is missing.") from None
        except Exception as error:  # torch raises many kinds for a damaged file
            raise TrainingFailed(f"{self.checkpoint} is damaged ({error}). Start again without --resume.") from error
        self.model.load_state_dict(state["model"])
        self.average.state = state["average"]
        self.average.updates = state["updates"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["torch_rng"].cpu())

    @property
    def done(self) -> float:
        """Part of the run that is behind, in [0, 1]."""
        part = self.progress.step / self.settings.steps
        if self.settings.minutes:
            part = max(part, self.progress.seconds / (60 * self.settings.minutes))
        return min(part, 1.0)

    def step(self, images: torch.Tensor, truths: list[Truth]) -> dict[str, float]:
        """One step; returns the losses.

        Raises
        ------
        TrainingFailed
            If a loss is not finite; the weights stay as they were.
        """
        self.model.train()
        if self.settings.start is not None:
            freeze_norms(self.model)
        rate = learning_rate(self.settings, self.progress.step, self.done)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        images = images.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            losses = batch_losses(self.model, images, [_to(t, self.device) for t in truths])
        self._check(losses)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(sum(losses.values())).backward()
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        if torch.isfinite(norm) or self.scaler.is_enabled():
            self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update(self.model)
        self.progress.step += 1
        return {k: float(v.detach()) for k, v in losses.items()} | {"learning_rate": rate, "gradient_norm": float(norm)}

    def _check(self, losses: dict[str, torch.Tensor]) -> None:
        bad = [name for name, value in losses.items() if not torch.isfinite(value)]
        if bad:
            raise TrainingFailed(
                f"Expected finite losses, {', '.join(bad)} became infinite or not a number at step "
                f"{self.progress.step}. Resume from the last checkpoint with a smaller learning rate "
                f"(now {self.settings.learning_rate:g}) or with amp=off."
            )

    def averaged(self) -> CenterMask:
        """A copy of the model with the averaged weights, in evaluation mode."""
        model = CenterMask(self.model.settings)
        model.load_state_dict(self.average.state if self.settings.ema else self.model.state_dict())
        return model.to(self.device, memory_format=torch.channels_last).eval()


def freeze_norms(model: nn.Module) -> None:
    """Keep the batch norms' statistics, as fine-tuning on few images would spoil them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _to(truth: Truth, device: torch.device) -> Truth:
    ignore = None if truth.ignore is None else truth.ignore.to(device)
    return Truth(truth.boxes.to(device), truth.classes.to(device), truth.masks.to(device), ignore)


Evaluate = Callable[[CenterMask, Trainer], dict[str, Any]]


def train(settings: TrainSettings, *, evaluate: Evaluate | None = None) -> Iterator[dict[str, Any]]:
    """Train a model; yields events and may be closed between any two.

    Parameters
    ----------
    evaluate
        What scores the averaged model on `val`; returns a dict with "AP". The default is `validate.evaluate`.

    Yields
    ------
    dict
        Events of `napari_centermask.events`: start, step, evaluation, checkpoint, done.

    Raises
    ------
    TrainingFailed, BadSettings, BadAnnotations
        With what to change.
    """
    from .data import batches
    from .validate import evaluate as on_validation
    from .validate import save_best

    trainer = Trainer(settings)
    if settings.resume:
        trainer.resume()
    (settings.out / "run.json").write_text(settings.model_dump_json(indent=1))
    yield event(
        "start",
        out=str(settings.out),
        step=trainer.progress.step,
        device=str(trainer.device),
        precision=str(trainer.precision or torch.float32).removeprefix("torch."),
        parameters=sum(p.numel() for p in trainer.model.parameters()),
    )
    score = evaluate or on_validation
    sums: dict[str, float] = {}
    counted = 0
    clock = time.monotonic()
    for batch in batches(settings, split="train", start_step=trainer.progress.step):
        losses = trainer.step(batch.images, [Truth(t.boxes, t.classes, t.masks, t.ignore) for t in batch.tiles])
        now = time.monotonic()
        trainer.progress.seconds += now - clock
        clock = now
        counted += 1
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value
        step, last = trainer.progress.step, trainer.done >= 1.0
        if step % REPORT_EVERY == 0 or last:
            means = {k: round(v / counted, 6) for k, v in sums.items()}
            sums, counted = {}, 0
            trainer.progress.curves.append({"step": step, **means})
            yield event(
                "step", step=step, part=round(trainer.done, 5), seconds=round(trainer.progress.seconds), **means
            )
        if step % CHECKPOINT_EVERY == 0 or last:
            trainer.save()
            yield event("checkpoint", step=step, path=str(trainer.checkpoint))
        if step % settings.evaluate_every == 0 or last:
            model = trainer.averaged()
            result = score(model, trainer)
            better = result["AP"] > trainer.progress.best
            if better:
                trainer.progress.best = result["AP"]
                save_best(model, trainer, result)
            trainer.progress.curves.append({"step": step, **{k: v for k, v in result.items() if k != "per_folder"}})
            trainer.save()
            yield event("evaluation", step=step, better=better, **result)
            clock = time.monotonic()
        if last:
            break
    yield event("done", step=trainer.progress.step, best=trainer.progress.best, out=str(settings.out))
