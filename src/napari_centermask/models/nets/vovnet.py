"""VoVNetV2: one-shot aggregation, residual connections and eSE gates.

Source: Lee and Park, CenterMask, arXiv 1911.06667, section 3.4 (VoVNetV2); Lee et al., arXiv 1904.09730 (VoVNet).
Names and arithmetic equal the reference's published weights.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from napari_centermask.models.nets.network import Backbone
from napari_centermask.models.nets.norm import make_norm


@dataclass(frozen=True)
class Spec:
    """Widths and depths of one VoVNet: per stage 2 to 5, the 3x3 convs, the output, and the number of blocks."""

    conv_channels: tuple[int, int, int, int]
    out_channels: tuple[int, int, int, int]
    layers: int
    blocks: tuple[int, int, int, int]
    depthwise: bool = False


# Of the published weights (goldens, `keys`).
_SLIM = ((64, 80, 96, 112), (112, 256, 384, 512))
_FULL = ((128, 160, 192, 224), (256, 512, 768, 1024))
SPECS = {
    "V-19-slim-dw-eSE": Spec(*_SLIM, layers=3, blocks=(1, 1, 1, 1), depthwise=True),
    "V-19-slim-eSE": Spec(*_SLIM, layers=3, blocks=(1, 1, 1, 1)),
    "V-19-dw-eSE": Spec(*_FULL, layers=3, blocks=(1, 1, 1, 1), depthwise=True),
    "V-19-eSE": Spec(*_FULL, layers=3, blocks=(1, 1, 1, 1)),
    "V-39-eSE": Spec(*_FULL, layers=5, blocks=(1, 1, 2, 2)),
    "V-57-eSE": Spec(*_FULL, layers=5, blocks=(1, 1, 4, 3)),
    "V-99-eSE": Spec(*_FULL, layers=5, blocks=(1, 3, 9, 3)),
}

Layers = list[tuple[str, nn.Module]]


def _conv(name: str, n_in: int, n_out: int, *, norm: str, kernel: int = 3, stride: int = 1) -> Layers:
    return [
        (f"{name}/conv", nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False)),
        (f"{name}/norm", make_norm(norm, n_out)),
        (f"{name}/relu", nn.ReLU(inplace=True)),
    ]


def _depthwise(name: str, n_in: int, n_out: int, *, norm: str, stride: int = 1) -> Layers:
    return [
        (f"{name}/dw_conv3x3", nn.Conv2d(n_in, n_in, 3, stride=stride, padding=1, groups=n_in, bias=False)),
        (f"{name}/pw_conv1x1", nn.Conv2d(n_in, n_out, 1, bias=False)),
        (f"{name}/pw_norm", make_norm(norm, n_out)),
        (f"{name}/pw_relu", nn.ReLU(inplace=True)),
    ]


class EffectiveSE(nn.Module):
    """Channel gate with one fully connected layer; pools over the whole map, so it depends on the tile."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.fc(x.mean((2, 3), keepdim=True))
        return x * (F.relu6(gate + 3.0) / 6.0)


class OSABlock(nn.Module):
    """One-shot aggregation: a chain of 3x3 convs whose outputs are concatenated once."""

    def __init__(self, name: str, n_in: int, spec: Spec, stage: int, *, identity: bool, norm: str, ese: bool) -> None:
        super().__init__()
        width, n_out = spec.conv_channels[stage], spec.out_channels[stage]
        self.identity = identity
        self.conv_reduction = None
        make = _depthwise if spec.depthwise else _conv
        n_first = n_in
        if spec.depthwise and n_in != width:
            reduction = _conv(f"{name}_reduction_0", n_in, width, norm=norm, kernel=1)
            self.conv_reduction = nn.Sequential(OrderedDict(reduction))
            n_first = width
        self.layers = nn.ModuleList(
            nn.Sequential(OrderedDict(make(f"{name}_{i}", n_first if i == 0 else width, width, norm=norm)))
            for i in range(spec.layers)
        )
        n_concat = n_in + spec.layers * width
        self.concat = nn.Sequential(OrderedDict(_conv(f"{name}_concat", n_concat, n_out, norm=norm, kernel=1)))
        self.ese = EffectiveSE(n_out) if ese else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = [x]
        y = x if self.conv_reduction is None else self.conv_reduction(x)
        for layer in self.layers:
            y = layer(y)
            outputs.append(y)
        y = self.concat(torch.cat(outputs, dim=1))
        if self.ese is not None:
            y = self.ese(y)
        return y + x if self.identity else y


class VoVNet(Backbone):
    """VoVNetV2 backbone.

    Parameters
    ----------
    name
        A key of `SPECS`.
    in_channels
        Channels of the input image.
    norm
        "FrozenBN" (reference), "BN" or "GN".
    ese
        Channel gates; without them the features do not depend on the tile's far corners.
    stem_stride
        4 (reference), or 2, which halves the strides of all features.
    """

    out_features = ("stage2", "stage3", "stage4", "stage5")

    def __init__(
        self, name: str, in_channels: int = 3, *, norm: str = "FrozenBN", ese: bool = True, stem_stride: int = 4
    ) -> None:
        super().__init__()
        spec = SPECS[name]
        make = _depthwise if spec.depthwise else _conv
        stem = _conv("stem_1", in_channels, 64, norm=norm, stride=2)
        n_in = 64 if spec.depthwise else 128
        stem += make("stem_2", 64, 64, norm=norm) + make("stem_3", 64, n_in, norm=norm, stride=stem_stride // 2)
        self.stem = nn.Sequential(OrderedDict(stem))
        for stage in range(4):
            blocks: OrderedDict[str, nn.Module] = OrderedDict()
            if stage > 0:
                blocks["Pooling"] = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
            for b in range(spec.blocks[stage]):
                block = f"OSA{stage + 2}_{b + 1}"
                blocks[block] = OSABlock(block, n_in, spec, stage, identity=b > 0, norm=norm, ese=ese)
                n_in = spec.out_channels[stage]
            self.add_module(f"stage{stage + 2}", nn.Sequential(blocks))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        self.out_channels = dict(zip(self.out_features, spec.out_channels, strict=True))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, C, H, W) -> features at strides 4, 8, 16 and 32, or half of them."""
        x = self.stem(x)
        outputs = {}
        for name in self.out_features:
            x = outputs[name] = getattr(self, name)(x)
        return outputs
