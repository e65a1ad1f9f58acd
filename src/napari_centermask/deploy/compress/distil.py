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
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.nets.network import Network

_MOST_MASKS = 48  # cells of a batch whose masks are compared; a choice, as in the training


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
            _check(student, teacher)
        self._teachers = [teacher.eval() for teacher in teachers]  # a list: not its parameters
        self._temperature, self._weight, self._features = temperature, weight, features
        self.adapters = nn.ModuleList(
            nn.Conv2d(_width(student), _width(teacher), 1)
            for teacher in teachers
            if features and isinstance(student, CenterMask)
        )

    def forward(self, network: Network, images: Tensor, truths: Any) -> dict[str, Tensor]:
        """Mean over the teachers, each scalar times the weight."""
        total: dict[str, list[Tensor]] = {}
        for number, teacher in enumerate(self._teachers):
            if isinstance(network, CenterMask):
                own = self._cells(network, teacher, images, truths, number)
            else:
                own = self._maps(network, teacher, images)
            for name, loss in own.items():
                total.setdefault(f"loss_teacher_{name}", []).append(loss)
        return {name: self._weight * torch.stack(losses).mean() for name, losses in total.items()}

    def _cells(
        self, student: CenterMask, teacher: Network, images: Tensor, truths: Any, number: int
    ) -> dict[str, Tensor]:
        assert isinstance(teacher, CenterMask)
        t = self._temperature
        with torch.no_grad():
            levels, logits, ltrb, centerness = teacher.dense(images)
            sure = logits.sigmoid().amax(dim=2) * centerness.sigmoid()  # (B, L)
        own_levels, own_logits, own_ltrb, own_centerness = student.dense(images)
        norm = sure.sum().clamp(min=1.0)
        wanted, found = (logits / t).sigmoid(), (own_logits / t).sigmoid()
        hard = (wanted - found.detach()).abs() ** 2
        classes = (
            (hard * F.binary_cross_entropy_with_logits(own_logits / t, wanted, reduction="none")).sum() / norm * t**2
        )
        place = sure > 0.05  # FCOS' own lowest score of a candidate
        boxes = generalized_box_iou_loss(_corners(own_ltrb[place]), _corners(ltrb[place]), reduction="none")
        quality = F.binary_cross_entropy_with_logits(
            own_centerness[place], centerness[place].sigmoid(), reduction="none"
        )
        losses = {
            "classes": classes,
            "boxes": (boxes * sure[place]).sum() / norm,
            "centerness": (quality * sure[place]).sum() / norm,
        }
        if self._features:
            pairs = zip(own_levels, levels, strict=True)
            each = [F.mse_loss(_normalised(self.adapters[number](a)), _normalised(b)) for a, b in pairs]
            losses["features"] = self._features * torch.stack(each).mean()
        return losses | self._masks(student, teacher, own_levels, levels, truths, images)

    def _masks(
        self,
        student: CenterMask,
        teacher: CenterMask,
        own: Sequence[Tensor],
        theirs: Sequence[Tensor],
        truths: Any,
        images: Tensor,
    ) -> dict[str, Tensor]:
        rois = torch.cat(
            [torch.cat([torch.full_like(t.boxes[:, :1], i), t.boxes], dim=1) for i, t in enumerate(truths)]
        )
        classes = torch.cat([t.classes for t in truths])
        if not len(rois) or student.settings.roi_size != teacher.settings.roi_size:
            return {}
        chosen = torch.randperm(len(rois))[:_MOST_MASKS]
        area = float(images.shape[2] * images.shape[3])
        with torch.no_grad():
            wanted, _ = teacher.roi(theirs, rois[chosen], classes[chosen], area)
        found, _ = student.roi(own, rois[chosen], classes[chosen], area)
        t = self._temperature
        return {"masks": F.binary_cross_entropy_with_logits(found / t, (wanted / t).sigmoid()) * t**2}

    def _maps(self, student: Network, teacher: Network, images: Tensor) -> dict[str, Tensor]:
        assert isinstance(student, MapModel)
        t, n = self._temperature, student.settings.n_classes
        with torch.no_grad():
            wanted = teacher(images)
        found = student(images)
        classes = F.cross_entropy(found[:, :n] / t, (wanted[:, :n] / t).softmax(dim=1)) * t**2
        losses = {"classes": classes}
        if found.shape[1] > n:
            losses["maps"] = F.binary_cross_entropy_with_logits(found[:, n:], wanted[:, n:].sigmoid())
        return losses


def _check(student: Network, teacher: Network) -> None:
    a, b = student.settings, teacher.settings
    if a.family != b.family or a.categories != b.categories or a.in_channels != b.in_channels:
        raise BadSettings(
            f"A teacher is a {b.family} for {', '.join(b.categories)} with {b.in_channels} channels, the student a {a.family} "
            f"for {', '.join(a.categories)} with {a.in_channels}. Choose a teacher of the same family, categories and channels."
        )
    if isinstance(student, CenterMask) and isinstance(teacher, CenterMask) and student.strides != teacher.strides:
        raise BadSettings(
            f"A teacher has the strides {teacher.strides}, the student {student.strides}. They must be the same."
        )
    if (
        isinstance(student, MapModel)
        and isinstance(teacher, MapModel)
        and student.settings.map_names != teacher.settings.map_names
    ):
        raise BadSettings(
            "A teacher predicts other maps than the student. Choose the same `border` and `distance` for both."
        )


def _width(network: Network) -> int:
    return network.settings.fpn_channels if isinstance(network, CenterMask) else 0


def _corners(ltrb: Tensor) -> Tensor:
    """Boxes around the origin."""
    return torch.cat([-ltrb[:, :2], ltrb[:, 2:]], dim=1)


def _normalised(maps: Tensor) -> Tensor:
    """(B, C, H, W) with mean 0 and variance 1 in each channel over batch and places."""
    mean, std = maps.mean(dim=(0, 2, 3), keepdim=True), maps.std(dim=(0, 2, 3), keepdim=True)
    return (maps - mean) / (std + 1e-6)
