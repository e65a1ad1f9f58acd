"""ResNet-50/101 backbones (arXiv 1512.03385) with the reference's key names and strides."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from napari_centermask.models.nets.network import Backbone
from napari_centermask.models.nets.norm import make_norm

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # table 1 of the paper
STAGES = ("res2", "res3", "res4", "res5")


class NormedConv(nn.Conv2d):
    """Convolution without bias, followed by its own norm (`<name>.norm` in checkpoints)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        norm: str = "FrozenBN",
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.norm = make_norm(norm, out_channels)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, then normalise."""
        return self.norm(super().forward(x))


class Stem(nn.Module):
    """7x7 convolution of stride 2, ReLU, 3x3 max pool of stride 2 (1 for a `stride` of 2): stride 4 in all."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: str, stride: int) -> None:
        super().__init__()
        self.pool_stride = stride // 2
        self.conv1 = NormedConv(in_channels, out_channels, 7, stride=2, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H / stride, W / stride)."""
        return F.max_pool2d(F.relu(self.conv1(x)), kernel_size=3, stride=self.pool_stride, padding=1)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut; the stride is in the first 1x1 by default."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        *,
        stride: int,
        groups: int,
        stride_in_1x1: bool,
        norm: str,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        needs_shortcut = in_channels != out_channels
        self.shortcut = NormedConv(in_channels, out_channels, 1, stride=stride, norm=norm) if needs_shortcut else None
        self.conv1 = NormedConv(in_channels, width, 1, stride=first, norm=norm)
        self.conv2 = NormedConv(width, width, 3, stride=second, groups=groups, norm=norm)
        self.conv3 = NormedConv(width, out_channels, 1, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)."""
        out = F.relu(self.conv1(x))
        out = F.relu(self.conv2(out))
        out = self.conv3(out)
        return F.relu(out + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(Backbone):
    """Stem and four stages; `forward` returns a dict of feature maps.

    Attributes
    ----------
    out_channels
        Name -> channels of the returned maps: res2 (stride 4, or half of it), res3 (8), res4 (16), res5 (32).
    """

    def __init__(
        self,
        depth: int,
        in_channels: int,
        *,
        norm: str,
        groups: int,
        width_per_group: int,
        stride_in_1x1: bool,
        stem_stride: int,
    ) -> None:
        super().__init__()
        self.stem = Stem(in_channels, 64, norm=norm, stride=stem_stride)
        channels, width, out = 64, groups * width_per_group, 256
        self.out_channels = {}
        for index, (name, blocks) in enumerate(zip(STAGES, BLOCKS[depth], strict=True)):
            stage = nn.Sequential()
            for block in range(blocks):
                stride = 2 if block == 0 and index > 0 else 1
                stage.append(
                    Bottleneck(
                        channels, width, out, stride=stride, groups=groups, stride_in_1x1=stride_in_1x1, norm=norm
                    )
                )
                channels = out
            self.add_module(name, stage)
            self.out_channels[name] = out
            width, out = width * 2, out * 2

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(N, C, H, W), H and W multiples of 32, -> {"res2": ..., "res3": ..., "res4": ..., "res5": ...}."""
        x = self.stem(x)
        features = {}
        for name in self.out_channels:
            x = features[name] = getattr(self, name)(x)
        return features

    def freeze(self) -> None:
        """Stop the gradients of stem and res2 (FREEZE_AT 2 of the reference)."""
        for part in ("stem", STAGES[0]):
            for parameter in self.get_submodule(part).parameters():
                parameter.requires_grad = False


def build_resnet(
    depth: int,
    in_channels: int = 3,
    norm: str = "FrozenBN",
    *,
    groups: int = 1,
    width_per_group: int = 64,
    stride_in_1x1: bool = True,
    stem_stride: int = 4,
) -> ResNet:
    """ResNet of `depth` 50 or 101 (R-50, R-101); X-101 is depth 101, 32 groups of 8, stride in the 3x3.

    A `stem_stride` of 2 instead of 4 halves the strides of all stages.

    With the reference's frozen norm and colour input, stem and res2 are frozen as in the reference; a network
    trained from scratch, or on other channels, has no frozen layers.

    Raises
    ------
    ValueError
        If the depth is neither 50 nor 101.
    """
    if depth not in BLOCKS:
        raise ValueError(f"Expected a depth of {sorted(BLOCKS)}, got {depth}.")
    model = ResNet(
        depth,
        in_channels,
        norm=norm,
        groups=groups,
        width_per_group=width_per_group,
        stride_in_1x1=stride_in_1x1,
        stem_stride=stem_stride,
    )
    if norm == "FrozenBN" and in_channels == 3:
        model.freeze()
    return model
