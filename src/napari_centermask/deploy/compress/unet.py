"""What compression needs to know of a U-Net; see `models.families.Family.compression`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_centermask.models.nets.build import MapModel
from napari_centermask.settings import UNetSettings


def why_not(student: UNetSettings, teacher: UNetSettings) -> str:
    """Why a teacher of this form does not fit; empty if it does."""
    if student.map_names == teacher.map_names:
        return ""
    return "A teacher predicts other maps than the student. Choose the same `border` and `distance` for both."


def adapter(student: MapModel, teacher: MapModel) -> None:
    """None: the maps say all."""


def losses(
    student: MapModel, teacher: MapModel, images: Tensor, truths: Any, *, temperature: float, adapter: nn.Module | None
) -> dict[str, Tensor]:
    """Classes and other maps of a student beside a teacher."""
    n = student.settings.n_classes
    with torch.no_grad():
        wanted = teacher(images)
    found = student(images)
    classes = F.cross_entropy(found[:, :n] / temperature, (wanted[:, :n] / temperature).softmax(dim=1))
    result = {"classes": classes * temperature**2}
    if found.shape[1] > n:
        result["maps"] = F.binary_cross_entropy_with_logits(found[:, n:], wanted[:, n:].sigmoid())
    return result


def traced(network: MapModel, image: Tensor) -> list[Tensor]:
    """Outputs along one way that touches all layers."""
    return [network(image)]


def predictors(network: MapModel) -> list[nn.Module]:
    """Layers whose outputs are fixed: those that predict."""
    maps = len(network.settings.map_names)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    return [conv for conv in convs if conv.out_channels == maps and conv.kernel_size == (1, 1)]


def note_width(network: MapModel) -> None:
    """Nothing: the graph has no widths of its own in the settings."""
