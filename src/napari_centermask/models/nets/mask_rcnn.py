"""Mask R-CNN with a ResNet and a feature pyramid, of torchvision's parts: its published weights fit by name.

Source: He et al., Mask R-CNN, arXiv 1703.06870; Lin et al., Feature Pyramid Networks, arXiv 1612.03144.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.detection import MaskRCNN as TorchvisionMaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image

from napari_centermask.models.nets.network import Network
from napari_centermask.models.nets.norm import make_norm
from napari_centermask.models.nets.roi_heads import of_class
from napari_centermask.settings import MaskRCNNSettings

PROPOSALS = 2000
"""Regions that a tile proposes in use, and that each level contributes to them. A choice: torchvision's 1,000 are about three for
each cell of a dense tile of 1,024 pixels (docs/benchmarks.md, "Speed")."""
_LEVELS = ("0", "1", "2", "3")  # those that regions are pooled from, P2 to P5, under torchvision's names
_SAMPLES = 2  # per bin and axis; torchvision's
_BLOCKS = {"R-18": "resnet18", "R-34": "resnet34", "R-50": "resnet50", "R-101": "resnet101"}

Pyramid = dict[str, Tensor]
"""P2 to P6 under torchvision's names: "0" to "3" and "pool"."""


class MaskRCNN(Network):
    """The whole network; names of parameters are those of `torchvision.models.detection.maskrcnn_resnet50_fpn`.

    What torchvision does before (resizing, normalisation) and after (suppression, pasting) happens outside, as for the other
    families.

    Parameters
    ----------
    settings
        Its form; see `MaskRCNNSettings`.
    """

    settings: MaskRCNNSettings

    def __init__(self, settings: MaskRCNNSettings) -> None:
        super().__init__()
        self.settings = settings
        width, n, fc = settings.pyramid_channels, 1 + len(settings.categories), settings.box_fc
        sizes = tuple((size,) for size in settings.anchor_sizes)
        whole = TorchvisionMaskRCNN(
            _backbone(settings),
            rpn_anchor_generator=AnchorGenerator(sizes, (tuple(settings.anchor_ratios),) * len(sizes)),
            box_roi_pool=MultiScaleRoIAlign(_LEVELS, settings.box_size, _SAMPLES),
            box_head=TwoMLPHead(width * settings.box_size**2, fc),
            box_predictor=FastRCNNPredictor(fc, n),
            mask_roi_pool=MultiScaleRoIAlign(_LEVELS, settings.roi_size, _SAMPLES),
            mask_head=MaskRCNNHeads(width, (settings.mask_head_channels,) * settings.mask_head_convs, 1),
            mask_predictor=MaskRCNNPredictor(settings.mask_head_channels, settings.mask_head_channels, n),
            rpn_pre_nms_top_n_test=PROPOSALS,
            rpn_post_nms_top_n_test=PROPOSALS,
        )
        self.backbone, self.rpn, self.roi_heads = whole.backbone, whole.rpn, whole.roi_heads

    def forward(self, x: Tensor) -> Pyramid:
        """(B, C, H, W) float32, normalised, H and W multiples of 32 -> the levels, finest first."""
        levels: OrderedDict[str, Tensor] = self.backbone(x)
        return levels

    def propose(self, x: Tensor, pyramid: Pyramid) -> list[Tensor]:
        """Regions in which there may be cells, best first: for each tile (P, 4) x0, y0, x1, y1 in pixels, inside the tile."""
        boxes: list[Tensor] = self.rpn(ImageList(x, _sizes(x)), pyramid)[0]
        return boxes

    def judge(self, pyramid: Pyramid, regions: list[Tensor], size: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
        """The box and the category of what is in regions of tiles.

        Parameters
        ----------
        regions
            (P, 4) for each tile.
        size
            (H, W) of the tiles.

        Returns
        -------
        boxes : for each tile (P, categories, 4), inside the tile
        probabilities : (P, 1 + categories) of the background and the categories, rows sum to 1
        """
        heads = self.roi_heads
        x = heads.box_head(heads.box_roi_pool(pyramid, regions, [size] * len(regions)))
        logits, deltas = heads.box_predictor(x)
        boxes = clip_boxes_to_image(heads.box_coder.decode(deltas.float(), regions), size)[:, 1:]
        counts = [len(part) for part in regions]
        return list(zip(boxes.split(counts), logits.float().softmax(dim=1).split(counts), strict=True))

    def masks(self, pyramid: Pyramid, regions: list[Tensor], classes: Tensor, size: tuple[int, int]) -> Tensor:
        """Mask logits of regions, (N, s, s) with s twice `settings.roi_size`; `classes` (N,) are those of all tiles."""
        heads = self.roi_heads
        pooled = heads.mask_roi_pool(pyramid, regions, [size] * len(regions))
        return of_class(heads.mask_predictor(heads.mask_head(pooled)), classes + 1)


def _sizes(x: Tensor) -> list[tuple[int, int]]:
    return [(x.shape[2], x.shape[3])] * len(x)


def _backbone(settings: MaskRCNNSettings) -> nn.Module:
    """Stem and four stages of torchvision's ResNet below its pyramid."""

    def norm(channels: int) -> nn.Module:
        return make_norm(settings.resnet_norm, channels)

    body = getattr(resnet, _BLOCKS[settings.resnet])(weights=None, norm_layer=norm)
    if settings.in_channels != 3:
        body.conv1 = nn.Conv2d(settings.in_channels, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
    widths = [body.inplanes // 2**up for up in (3, 2, 1, 0)]
    names = {f"layer{stage}": str(stage - 1) for stage in (1, 2, 3, 4)}
    return BackboneWithFPN(body, names, widths, settings.pyramid_channels)
