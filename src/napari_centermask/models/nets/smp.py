"""Architectures of segmentation-models-pytorch (MIT), by our names; their weights start at random, nothing is loaded."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.settings import UNetSettings

CLASSES = {"unet": "Unet", "unet++": "UnetPlusPlus", "fpn": "FPN", "deeplabv3+": "DeepLabV3Plus"}
"""Our name -> the class in segmentation_models_pytorch."""
WITH_SCSE = ("unet", "unet++")
"""Architectures whose decoder takes scSE blocks."""

_SCSE_WIDTH = 16  # its scSE blocks have a sixteenth of the channels inside


def make_smp(settings: UNetSettings) -> nn.Module:
    """(B, C, H, W) -> (B, maps, H, W) raw, H and W multiples of 32.

    Raises
    ------
    MissingExtra
        If segmentation-models-pytorch is not installed.
    ValueError
        If the encoder is unknown, or does not fit the other settings.
    """
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        raise MissingExtra(
            f"The architecture '{settings.architecture}' needs segmentation-models-pytorch: "
            f"{how_to_install('train', 'unet')}. Or choose architecture plain."
        ) from error
    make = getattr(smp, CLASSES[settings.architecture])
    if settings.encoder not in smp.encoders.get_encoder_names():
        names = ", ".join(smp.encoders.get_encoder_names())
        raise ValueError(f"Expected model.encoder to be one of {names}; got {settings.encoder!r}.")
    network = make(
        encoder_name=settings.encoder,
        encoder_weights=None,
        in_channels=settings.in_channels,
        classes=len(settings.map_names),
        **_form(settings),
    )
    for part in network.modules():
        if type(part).__name__ == "ASPPPooling":
            part[2] = _PooledNorm(part[2].num_features)
    return network


class _PooledNorm(nn.BatchNorm2d):
    """Batch norm after pooling the whole tile; a batch of one tile has no variance, so the running statistics are used.

    Outside training they are used in any case, without looking at the batch: its size stays free in an exported graph.
    """

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        if not self.training or len(pooled) > 1:
            return super().forward(pooled)
        return functional.batch_norm(pooled, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _form(settings: UNetSettings) -> dict[str, object]:
    """Differences between the architectures: depth, width and attention."""
    name, depth, width = settings.architecture, settings.depth, settings.width
    _check(settings)
    if name in WITH_SCSE:
        return {
            "encoder_depth": depth,
            "decoder_channels": tuple(width * 2**n for n in reversed(range(depth))),
            "decoder_attention_type": "scse" if settings.attention == "scse" else None,
        }
    if name == "fpn":  # its four levels end at the stride 2 ** (depth - 3); from there it is enlarged
        return {
            "encoder_depth": depth,
            "decoder_pyramid_channels": 16 * width,
            "decoder_segmentation_channels": 8 * width,
            "decoder_dropout": settings.dropout,
            "upsampling": 2 ** (depth - 3),
        }
    return {"encoder_depth": depth, "decoder_channels": 16 * width, "decoder_aspp_dropout": settings.dropout}


def _check(settings: UNetSettings) -> None:
    name, has_scse = settings.architecture, settings.architecture in WITH_SCSE
    if not 3 <= settings.depth <= 5:
        raise ValueError(f"Expected model.depth 3 to 5 with architecture {name}, got {settings.depth}.")
    if settings.attention not in ("none", "scse")[: 1 + has_scse]:
        allowed = "none or scse" if has_scse else "none"
        raise ValueError(f"Expected model.attention {allowed} with architecture {name}, got {settings.attention}.")
    if settings.attention == "scse" and settings.width < _SCSE_WIDTH:
        raise ValueError(f"Expected model.width {_SCSE_WIDTH} or more with attention scse, got {settings.width}.")
    if settings.dropout and has_scse:
        raise ValueError(f"Expected model.dropout 0 with architecture {name}, got {settings.dropout:g}.")
    if settings.deep_supervision:
        raise ValueError(f"Expected model.deep_supervision with architecture plain alone, got {name}.")
