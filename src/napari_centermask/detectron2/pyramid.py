"""Our backbones with their pyramid, as backbones of detectron2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone

from napari_centermask.detectron2.config import BACKBONES, form_of
from napari_centermask.models.nets.centermask import make_backbone
from napari_centermask.models.nets.fpn import FPN
from napari_centermask.settings import ModelSettings


class Pyramid(FPN, Backbone):
    """P3 to P7 of one of our backbones, by their names.

    Parameters
    ----------
    settings
        The form of the CenterMask that it belongs to.
    """

    def __init__(self, settings: ModelSettings) -> None:
        levels = {"first_level": settings.first_level, "top_levels": settings.top_levels}
        super().__init__(make_backbone(settings), settings.fpn_channels, **levels)
        self._out_features = [f"p{level}" for level in range(settings.first_level, 6 + settings.top_levels)]
        self._out_feature_channels = dict.fromkeys(self._out_features, settings.fpn_channels)
        self._out_feature_strides = dict(zip(self._out_features, settings.strides, strict=True))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
        """(B, C, H, W), H and W multiples of 32 -> the levels by name."""
        return dict(zip(self._out_features, super().forward(x), strict=True))

    @property
    def size_divisibility(self) -> int:
        """Sides must be multiples of this."""
        return 32

    @property
    def padding_constraints(self) -> dict[str, int]:
        """The same, as newer versions ask for it."""
        return {"size_divisibility": 32}

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each level."""
        return {
            name: ShapeSpec(channels=self._out_feature_channels[name], stride=self._out_feature_strides[name])
            for name in self._out_features
        }


def build_backbone(cfg: Any, input_shape: ShapeSpec) -> Pyramid:
    """The backbone that a configuration describes, with its pyramid."""
    return Pyramid(form_of(cfg).model_copy(update={"in_channels": input_shape.channels}))


BUILDERS: dict[str, Callable[[Any, ShapeSpec], Pyramid]] = dict.fromkeys(BACKBONES, build_backbone)
"""By their names in configurations."""
