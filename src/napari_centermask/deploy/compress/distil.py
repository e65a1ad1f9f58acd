"""Train a student on what its teachers say of each tile, beside the annotations.

Classes and centerness: cross-entropy with the teacher's probabilities at a temperature (Hinton et al., arXiv
1503.02531), where the two differ most (quality focal weights, arXiv 2006.04388). Boxes: GIoU with the teacher's,
weighted by its score. Features: normalised to mean 0 and variance 1 for each channel (Cao et al., PKD, arXiv
2207.02039), through a 1 x 1 adapter where widths differ. Masks: those of the true boxes, cross-entropy with the
teacher's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.families import compression_of
from napari_centermask.models.nets.network import Network
from napari_centermask.settings import NetworkSettings


class Distillation(nn.Module):
    """The losses of a student beside its teachers; its parameters are the adapters between features.

    Parameters
    ----------
    student, teachers
        Networks of one family and the same categories.
    temperature
        Softens the teachers' probabilities; 1 takes them as they are.
    weight
        Factor of all losses here.
    features
        Factor of the features' loss, relative to the others; 0 for none.

    Raises
    ------
    BadSettings
        If a teacher does not fit.
    """

    def __init__(
        self, student: Network, teachers: Sequence[Network], *, temperature: float, weight: float, features: float
    ) -> None:
        super().__init__()
        for teacher in teachers:
            check_teacher(student.settings, teacher.settings)
        self._family = compression_of(student.settings)
        self._teachers = [teacher.eval() for teacher in teachers]  # a list: not its parameters
        self._temperature, self._weight, self._features = temperature, weight, features
        made = [self._family.adapter(student, teacher) for teacher in teachers] if features else []
        self.adapters = nn.ModuleList(layer for layer in made if layer is not None)

    def forward(self, network: Network, images: Tensor, truths: Any) -> dict[str, Tensor]:
        """Mean over the teachers, each scalar times the weight."""
        total: dict[str, list[Tensor]] = {}
        for number, teacher in enumerate(self._teachers):
            adapter = self.adapters[number] if len(self.adapters) else None
            own = self._family.losses(network, teacher, images, truths, temperature=self._temperature, adapter=adapter)
            if "features" in own:
                own["features"] = self._features * own["features"]
            for name, loss in own.items():
                total.setdefault(f"loss_teacher_{name}", []).append(loss)
        return {name: self._weight * torch.stack(losses).mean() for name, losses in total.items()}


def check_teacher(a: NetworkSettings, b: NetworkSettings) -> None:
    """Raise `BadSettings` if a student of the form `a` cannot be trained beside a teacher of the form `b`."""
    if a.family != b.family or a.categories != b.categories or a.in_channels != b.in_channels:
        raise BadSettings(
            f"A teacher is a {b.family} for {', '.join(b.categories)} with {b.in_channels} channels, the student a {a.family} "
            f"for {', '.join(a.categories)} with {a.in_channels}. Choose a teacher of the same family, categories and channels."
        )
    if why := compression_of(a).why_not(a, b):
        raise BadSettings(why)
