"""CenterMask: FCOS with a spatial-attention mask head and mask scoring.

Source: Lee and Park, CenterMask: Real-Time Anchor-Free Instance Segmentation, arXiv 1911.06667.
The two graphs `dense` and `roi` hold no data-dependent control flow; choosing detections happens outside, so the
same weights answer automatic detection, boxes drawn by hand, and every runtime.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from napari_centermask.models.nets import vovnet
from napari_centermask.models.nets.fcos import FCOSHead, flatten
from napari_centermask.models.nets.fpn import FPN
from napari_centermask.models.nets.network import Backbone, Network
from napari_centermask.models.nets.roi_heads import MaskHead, MaskIoUHead, assign_levels, of_class, pool
from napari_centermask.settings import ModelSettings


def make_backbone(settings: ModelSettings) -> Backbone:
    """The backbone that `settings.backbone` names.

    Raises
    ------
    ValueError
        If the name is not known.
    """
    name, channels, norm, stem = settings.backbone, settings.in_channels, settings.backbone_norm, settings.stem_stride
    if name in vovnet.SPECS:
        return vovnet.VoVNet(name, channels, norm=norm, ese=settings.ese, stem_stride=stem)
    if name in ("R-50", "R-101"):
        from napari_centermask.models.nets.resnet import build_resnet

        return build_resnet(int(name[2:]), channels, norm=norm, stem_stride=stem)
    if name == "X-101":
        from napari_centermask.models.nets.resnet import build_resnet

        return build_resnet(
            101, channels, norm=norm, groups=32, width_per_group=8, stride_in_1x1=False, stem_stride=stem
        )
    if name == "MobileNetV2":
        from napari_centermask.models.nets.mobilenet import build_mobilenet

        return build_mobilenet(channels, norm=norm, stem_stride=stem)
    raise ValueError(
        f"Expected a backbone of {[*vovnet.SPECS, 'R-50', 'R-101', 'X-101', 'MobileNetV2']}, got {name!r}."
    )


class ProposalGenerator(nn.Module):
    """Holds the FCOS head under the reference's name."""

    def __init__(self, head: FCOSHead) -> None:
        super().__init__()
        self.fcos_head = head


class RoIHeads(nn.Module):
    """Holds the mask and mask-IoU heads under the reference's names."""

    def __init__(self, mask_head: MaskHead, maskiou_head: MaskIoUHead | None) -> None:
        super().__init__()
        self.mask_head = mask_head
        self.maskiou_head = maskiou_head


class CenterMask(Network):
    """The whole network.

    Parameters
    ----------
    settings
        Its form; see `ModelSettings`.
    """

    settings: ModelSettings

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        n, width = len(settings.categories), settings.fpn_channels
        self.strides = settings.strides
        levels = {"first_level": settings.first_level, "top_levels": settings.top_levels}
        self.backbone = FPN(make_backbone(settings), width, **levels)
        head = FCOSHead(
            width,
            n,
            levels=len(self.strides),
            convs=settings.head_convs,
            norm=settings.head_norm,
            width=settings.head_channels,
            rates_boxes=settings.rates_boxes,
        )
        self.proposal_generator = ProposalGenerator(head)
        iou = None
        if settings.maskiou:
            sizes = settings.maskiou_channels, settings.maskiou_convs, settings.maskiou_fc
            iou = MaskIoUHead(width, *sizes, n, size=settings.roi_size)
        masks = MaskHead(width, settings.mask_channels, settings.mask_convs, 1 if settings.class_agnostic_mask else n)
        self.roi_heads = RoIHeads(masks, iou)

    def pyramid(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W) float32, normalised, H and W multiples of 32 -> the levels, finest first."""
        levels: list[torch.Tensor] = self.backbone(x)
        return levels

    def dense(self, x: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor, torch.Tensor, torch.Tensor]:
        """Everything that is computed for every location.

        Parameters
        ----------
        x
            (B, C, H, W) float32, normalised, H and W multiples of 32.

        Returns
        -------
        pyramid : the levels up to P5, finest first, each (B, channels, H / stride, W / stride)
        logits : (B, L, classes) raw class logits, levels one after another, row-major inside a level
        ltrb : (B, L, 4) distances left, top, right, bottom in pixels
        centerness : (B, L) raw logits; `fcos.CERTAIN` if boxes are not rated
        """
        levels = self.pyramid(x)
        logits, ltrb, centerness = self.proposal_generator.fcos_head(levels)
        ltrb = [t * stride for t, stride in zip(ltrb, self.strides, strict=True)]
        return (
            tuple(levels[: len(self.settings.pooled_levels)]),
            flatten(logits),
            flatten(ltrb),
            flatten(centerness)[..., 0],
        )

    def forward(self, x: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor, torch.Tensor, torch.Tensor]:
        """Same as `dense`."""
        return self.dense(x)

    def roi(
        self,
        pyramid: Sequence[torch.Tensor],
        rois: torch.Tensor,
        classes: torch.Tensor,
        image_area: torch.Tensor | float,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Masks of regions.

        Parameters
        ----------
        pyramid
            From `dense`.
        rois
            (N, 5) float32: batch index, x0, y0, x1, y1 in pixels, not clipped; N may be 0.
        classes
            (N,) int64.
        image_area
            Pixels of the image without padding; only the "ratio" level rule uses it.

        Returns
        -------
        mask_logits : (N, s, s), the map of each region's class; s is twice `settings.roi_size`
        mask_iou : (N,), linear, may leave [0, 1]; ones without a mask-IoU head
        """
        rule, first, enlargement = self.settings.roi_levels, self.settings.first_level, self.settings.enlargement
        if enlargement > 1:  # as large as the pyramid sees them
            rois, image_area = torch.cat([rois[:, :1], rois[:, 1:] * enlargement], dim=1), image_area * enlargement**2
        levels = assign_levels(rois[:, 1:], image_area, rule=rule, first_level=first)
        x = pool(pyramid, rois, levels, size=self.settings.roi_size)
        logits = of_class(self.roi_heads.mask_head(x), classes)
        if self.roi_heads.maskiou_head is None:
            return logits, torch.ones_like(rois[:, 0])
        return logits, of_class(self.roi_heads.maskiou_head(x, logits), classes)
