"""Training of a classifier of cells; all crops are made once and fit into memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.models.nets.cell_classifier import CellClassifier
from napari_centermask.models.store.classifier_card import ClassifierCard
from napari_centermask.pipeline.classify import cell_crops, scaled_for
from napari_centermask.settings import ClassifierTraining
from napari_centermask.training.data.facts import data_hashes
from napari_centermask.training.data.loader import annotation_file, read_split

_ROOM = 1.5  # the crops are larger, so that rotated and shifted ones have no empty corners: the root of 2, and a shift
# How much crops vary, and how the rate rises: chosen, not measured one by one (docs/benchmarks.md, "Viability", measures the
# whole).
_SCALE, _SHIFT, _CONTRAST, _BRIGHTNESS, _NOISE = 0.15, 0.12, 0.2, 0.05, 0.01
_WARMUP = 0.1  # fraction of the steps in which the rate rises; PyTorch's default is 0.3
_TEMPERATURES = torch.logspace(-1, 1, 201)  # from a tenth to ten, in steps of 2.3 %


@dataclass(frozen=True)
class Cells:
    """The annotated cells of a split.

    Attributes
    ----------
    crops
        (N, C + 1, 1.5 side, 1.5 side) float32: with room for rotation.
    kinds
        (N,) int64, index into the categories.
    """

    crops: torch.Tensor
    kinds: torch.Tensor


def load_cells(folders: list[Path], split: str, card: ClassifierCard) -> Cells:
    """Crop the cells of a split of data folders.

    Raises
    ------
    BadAnnotations
        If there are none, or one has a category that the classifier lacks.
    """
    crops, kinds = [], []
    model = card.model
    for folder in folders:
        for sample in read_split(folder, split):
            names = sample.instances.categories
            own = [names.get(c.category, str(c.category)) for c in sample.cells]
            if strange := sorted(set(own) - set(model.categories)):
                raise BadAnnotations(
                    f"The classifier only has the categories {', '.join(model.categories)}, but {sample.name} in {folder} has "
                    f"{', '.join(strange)}. List all categories with --model.categories."
                )
            image = scaled_for(np.asarray(sample.image), sample.instances.shape, card)
            side, context = int(_ROOM * model.side), _ROOM * model.context
            crops.append(cell_crops(image, sample.cells, side=side, context=context))
            kinds += [model.categories.index(name) for name in own]
    if not kinds:
        raise BadAnnotations(f"There are no cells in {annotation_file(folders[0], split)}. Annotate some.")
    return Cells(torch.from_numpy(np.concatenate(crops)), torch.tensor(kinds))


def train_classifier(settings: ClassifierTraining, *, name: str) -> tuple[CellClassifier, ClassifierCard]:
    """Train on `train`; the temperature is fitted on `val`.

    Returns
    -------
    tuple of CellClassifier and ClassifierCard
        In evaluation mode.

    Raises
    ------
    BadSettings
        If the cells for training are all of one category.
    """
    start = time.perf_counter()
    torch.manual_seed(settings.seed)
    card = ClassifierCard(name=name, licence="BSD-3-Clause", model=settings.model)
    cells = load_cells(settings.data, "train", card)
    number = torch.bincount(cells.kinds, minlength=len(settings.model.categories))
    if (number == 0).any():
        missing = [n for n, k in zip(settings.model.categories, number.tolist(), strict=True) if k == 0]
        raise BadSettings(
            f"{settings.data[0]} has no cells of {', '.join(missing)} in train. "
            "Annotate some, or leave the category out."
        )
    model = CellClassifier(settings.model)
    _fit(model, cells, number, settings)
    model.eval()
    temperature = _temperature(model, load_cells(settings.data, "val", card))
    facts: dict[str, Any] = {
        "data": data_hashes(settings.data),
        "settings": settings.model_dump(mode="json", exclude={"data", "out"}),
        "cells": dict(zip(settings.model.categories, number.tolist(), strict=True)),
        "seconds": round(time.perf_counter() - start, 1),
        "torch": torch.__version__,
    }
    return model, card.model_copy(update={"temperature": temperature, "training": facts})


def _fit(model: CellClassifier, cells: Cells, number: torch.Tensor, settings: ClassifierTraining) -> None:
    rarity = number.sum() / (len(number) * number.float())
    weights = rarity if settings.class_weights == "balanced" else None
    chance = (1 + settings.oversample * (rarity - 1))[cells.kinds]
    steps = settings.epochs * -(-len(cells.kinds) // settings.batch)
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, pct_start=_WARMUP
    )
    model.train()
    for _ in range(settings.epochs):
        if settings.oversample:
            order = torch.multinomial(chance, len(chance), replacement=True)
        else:
            order = torch.randperm(len(chance))
        for rows in order.split(settings.batch):
            if len(rows) < 2:  # batch norm needs at least two
                schedule.step()
                continue
            crops = varied(cells.crops[rows], settings.model.side) if settings.augment else middle(cells.crops[rows])
            loss = class_loss(model(crops), cells.kinds[rows], weights=weights, gamma=settings.focal_gamma)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def class_loss(
    logits: torch.Tensor, kinds: torch.Tensor, *, weights: torch.Tensor | None, gamma: float
) -> torch.Tensor:
    """Cross-entropy, with weights of the categories and the focal factor (1 - p)^gamma (arXiv 1708.02002)."""
    each = F.cross_entropy(logits, kinds, reduction="none")
    if gamma:
        each = (1 - torch.exp(-each)) ** gamma * each
    if weights is None:
        return each.mean()
    own = weights[kinds]
    return (own * each).sum() / own.sum()


def middle(crops: torch.Tensor) -> torch.Tensor:
    """Crops as the model sees them in use, without the extra room."""
    large = crops.shape[-1]
    side = int(large / _ROOM)
    low = (large - side) // 2
    return crops[..., low : low + side, low : low + side]


def varied(crops: torch.Tensor, side: int) -> torch.Tensor:
    """Crops with random rotation, mirroring, scale (up to 15 %), shift (up to 6 %), brightness and contrast."""
    n = len(crops)
    angle, factor = 2 * torch.pi * torch.rand(n), torch.exp(_SCALE * (2 * torch.rand(n) - 1)) / _ROOM
    mirror = torch.randint(0, 2, (n,)) * 2 - 1
    cos, sin = angle.cos() * factor, angle.sin() * factor
    shift = _SHIFT / _ROOM * (2 * torch.rand(n, 2) - 1)
    theta = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], dim=1).view(n, 2, 3)
    grid = F.affine_grid(theta, [n, 1, side, side], align_corners=False)
    out = F.grid_sample(crops, grid, align_corners=False, padding_mode="border")
    image = out[:, :-1]
    around = image.mean(dim=(2, 3), keepdim=True)
    contrast = torch.exp(_CONTRAST * (2 * torch.rand(n, 1, 1, 1) - 1))
    image = (image - around) * contrast + around + _BRIGHTNESS * (2 * torch.rand(n, 1, 1, 1) - 1)
    return torch.cat([image + _NOISE * torch.randn_like(image), out[:, -1:]], dim=1)


@torch.no_grad()
def _temperature(model: nn.Module, cells: Cells) -> float:
    """The temperature with the smallest log loss, by a plain search."""
    logits = model(middle(cells.crops))
    losses = torch.stack([F.cross_entropy(logits / t, cells.kinds) for t in _TEMPERATURES])
    return round(float(_TEMPERATURES[losses.argmin()]), 4)
