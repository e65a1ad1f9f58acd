"""MobileNetV2 backbone (arXiv 1801.04381), key names as in the reference's checkpoints."""

from __future__ import annotations

from torch import Tensor, nn

from napari_centermask.models.nets.network import Backbone
from napari_centermask.models.nets.norm import make_norm

# Table 2 of the paper: expansion t, channels c, repeats n, stride s.
PLAN = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
TAPS = {3: "res2", 6: "res3", 13: "res4", 17: "res5"}  # index in `features` -> name (goldens README, item 6)


def _conv(
    in_channels: int, out_channels: int, kernel: int, *, norm: str, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    return [conv, make_norm(norm, out_channels)]


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter depthwise, project by 1x1; adds its input where shapes allow."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expand: int, norm: str) -> None:
        super().__init__()
        hidden = in_channels * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers += [*_conv(in_channels, hidden, 1, norm=norm), nn.ReLU6(inplace=True)]
        layers += [*_conv(hidden, hidden, 3, norm=norm, stride=stride, groups=hidden), nn.ReLU6(inplace=True)]
        layers += _conv(hidden, out_channels, 1, norm=norm)
        self.conv = nn.Sequential(*layers)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)."""
        return x + self.conv(x) if self.adds_input else self.conv(x)


class MobileNetV2(Backbone):
    """MobileNetV2 without its last 1280-channel convolution.

    Attributes
    ----------
    out_channels
        Name -> channels of the returned maps: res2 (stride 4, or half of it), res3 (8), res4 (16), res5 (32).
    """

    def __init__(self, in_channels: int = 3, *, norm: str = "FrozenBN", stem_stride: int = 4) -> None:
        super().__init__()
        blocks: list[nn.Module] = [
            nn.Sequential(*_conv(in_channels, 32, 3, norm=norm, stride=stem_stride // 2), nn.ReLU6(inplace=True))
        ]
        channels = 32
        for expand, out, repeats, first_stride in PLAN:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                blocks.append(InvertedResidual(channels, out, stride=stride, expand=expand, norm=norm))
                channels = out
        self.features = nn.Sequential(*blocks)
        self.out_channels = {"res2": 24, "res3": 32, "res4": 96, "res5": 320}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(N, C, H, W), H and W multiples of 32, -> {"res2": ..., "res3": ..., "res4": ..., "res5": ...}."""
        features = {}
        for index, block in enumerate(self.features):
            x = block(x)
            if index in TAPS:
                features[TAPS[index]] = x
        return features


def build_mobilenet(in_channels: int = 3, norm: str = "FrozenBN", *, stem_stride: int = 4) -> MobileNetV2:
    """MobileNetV2 with `in_channels` and the named norm; a `stem_stride` of 2 instead of 4 halves all strides."""
    return MobileNetV2(in_channels, norm=norm, stem_stride=stem_stride)
