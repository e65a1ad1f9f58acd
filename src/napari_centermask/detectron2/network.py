"""A model of detectron2 as one of ours: built from the configuration in its card."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from napari_centermask.core.errors import BadModel, MissingExtra
from napari_centermask.detectron2.config import is_centermask, read_config
from napari_centermask.detectron2.registered import register
from napari_centermask.models.nets.network import Network
from napari_centermask.settings import Detectron2Settings


class Detectron2Network(Network):
    """The parts of a `GeneralizedRCNN` or `PanopticFPN`; names of parameters are detectron2's.

    Parameters
    ----------
    settings
        Its configuration; see `Detectron2Settings`.

    Raises
    ------
    MissingExtra
        Without detectron2.
    BadModel
        If the configuration describes a model that does not find boxes first and masks in them afterwards.
    """

    settings: Detectron2Settings

    def __init__(self, settings: Detectron2Settings) -> None:
        super().__init__()
        self.settings = settings
        cfg = read_config(settings.config)
        cfg.MODEL.ROI_HEADS.NUM_CLASSES = cfg.MODEL.FCOS.NUM_CLASSES = len(settings.categories)
        whole = build(cfg)
        self.cfg = cfg
        self.backbone: Any = whole.backbone
        self.proposal_generator: Any = whole.proposal_generator
        self.roi_heads: Any = whole.roi_heads
        _find_all(self.roi_heads, self.proposal_generator, cfg)

    def forward(self, x: Tensor) -> Any:
        """(B, C, H, W) float32, normalised -> the levels of the pyramid by name."""
        return self.backbone(x)


def build(cfg: Any) -> Any:
    """The model of a configuration, on the CPU or under `torch.device`.

    Raises
    ------
    BadModel
        If it has no boxes with masks in them.
    MissingExtra
        If it needs detectron2's compiled parts and they are missing.
    """
    register()
    from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN

    name = cfg.MODEL.META_ARCHITECTURE
    kind = META_ARCH_REGISTRY.get(name) if name in META_ARCH_REGISTRY else nn.Module
    if not (isinstance(kind, type) and issubclass(kind, GeneralizedRCNN)):
        raise BadModel(
            f"detectron2's {name} does not find boxes first and masks in them afterwards. Choose a GeneralizedRCNN, such as "
            "Mask R-CNN, Cascade Mask R-CNN or CenterMask, or a PanopticFPN."
        )
    if not cfg.MODEL.MASK_ON:
        raise BadModel(
            "This model of detectron2 has no masks (MODEL.MASK_ON is False). Choose one for instance segmentation."
        )
    try:
        return kind(cfg)
    except ImportError as error:
        raise MissingExtra(
            f"This model needs a part of detectron2 that is not there: {str(error).splitlines()[0]} Build detectron2 as its own "
            "documentation says (docs/detectron2.md)."
        ) from error
    except (KeyError, AssertionError, ValueError, TypeError, AttributeError) as error:
        raise BadModel(f"detectron2 cannot build this model: {error}. Choose another configuration.") from error


def _find_all(heads: Any, proposals: Any, cfg: Any) -> None:
    """Let the model keep weak and many boxes: a dense field has more than the 100 of a photograph, and we suppress duplicates."""
    predictors: Any = getattr(heads, "box_predictor", None)
    each: list[Any] = list(predictors) if isinstance(predictors, nn.ModuleList) else [predictors]
    for predictor in each:
        if hasattr(predictor, "test_topk_per_image"):
            predictor.test_topk_per_image = MOST
            predictor.test_score_thresh = min(predictor.test_score_thresh, LOWEST)
            predictor.test_nms_thresh = max(predictor.test_nms_thresh, WIDEST_NMS)
    if hasattr(proposals, "post_nms_topk"):
        kept = proposals.post_nms_topk
        proposals.post_nms_topk = (kept[0], MOST) if isinstance(kept, tuple) else {**kept, False: MOST}
    if is_centermask(cfg) and hasattr(proposals, "find_all"):
        proposals.find_all(score=LOWEST, nms=WIDEST_NMS, most=MOST)


MOST = 2000
"""Boxes of a tile, and regions that it proposes: as for our own Mask R-CNN."""
LOWEST = 0.05
"""Lowest score; detectron2's own default, below which its models are not evaluated."""
WIDEST_NMS = 0.9
"""IoU up to which the model itself keeps duplicates, which `nms` removes afterwards; a choice, far above any that is used."""


def pad(x: Tensor, divisor: int) -> Tensor:
    """With zeros on the right and below, as detectron2 does after normalisation."""
    height, width = x.shape[2:]
    down, right = (-height % divisor, -width % divisor) if divisor > 1 else (0, 0)
    return torch.nn.functional.pad(x, (0, right, 0, down)) if down or right else x
