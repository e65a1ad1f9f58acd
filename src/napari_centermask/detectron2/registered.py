"""Our backbones, FCOS and mask heads in detectron2's registries, under the names that CenterMask2's configurations use."""

from __future__ import annotations

from typing import Any

from napari_centermask.core.errors import BadSettings
from napari_centermask.detectron2.installed import require


def register() -> None:
    """Enter our modules in detectron2's registries; may be called again.

    Raises
    ------
    MissingExtra
        Without detectron2.
    BadSettings
        If another package has taken one of the names.
    """
    require()
    from detectron2.modeling import BACKBONE_REGISTRY, PROPOSAL_GENERATOR_REGISTRY, ROI_HEADS_REGISTRY
    from detectron2.modeling.roi_heads import ROI_MASK_HEAD_REGISTRY

    from napari_centermask.detectron2 import fcos, heads, pyramid

    for registry, parts in (
        (BACKBONE_REGISTRY, pyramid.BUILDERS),
        (PROPOSAL_GENERATOR_REGISTRY, {"FCOS": fcos.FCOS}),
        (ROI_HEADS_REGISTRY, {"CenterROIHeads": heads.CenterROIHeads}),
        (ROI_MASK_HEAD_REGISTRY, {"SpatialAttentionMaskHead": heads.SpatialAttentionMaskHead}),
    ):
        for name, part in parts.items():
            _enter(registry, name, part)


def _enter(registry: Any, name: str, part: Any) -> None:
    if name not in registry:
        registry._do_register(name, part)
    elif registry.get(name) is not part:
        taken = registry.get(name).__module__
        raise BadSettings(
            f"detectron2's registry has another {name}, from {taken}. Import that package in another process than ours."
        )
