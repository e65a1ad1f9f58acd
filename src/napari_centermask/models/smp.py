"""Architectures of segmentation-models-pytorch (MIT), by our names; their weights start at random, nothing is loaded."""

from __future__ import annotations

from torch import nn

from ..core.errors import MissingExtra
from ..settings import UNetSettings

CLASSES = {"unet": "Unet", "unet++": "UnetPlusPlus", "fpn": "FPN", "deeplabv3+": "DeepLabV3Plus"}
"""Our name -> the class in segmentation_models_pytorch."""
WITH_SCSE = ("unet", "unet++")
"""Architectures whose decoder takes scSE blocks."""


def make_smp(settings: UNetSettings) -> nn.Module:
    """(B, C, H, W) -> (B, maps, H, W) raw, H and W multiples of 32.

    Raises
    ------
    MissingExtra
        If segmentation-models-pytorch is not installed.
    ValueError
        If the encoder is not known, or does not go with the other settings.
    """
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        raise MissingExtra(
            f"The architecture '{settings.architecture}' needs segmentation-models-pytorch: "
            "pip install 'napari-centermask[unet]'. Or choose architecture plain."
        ) from error
    make = getattr(smp, CLASSES[settings.architecture])
    if settings.encoder not in smp.encoders.get_encoder_names() and not settings.encoder.startswith("tu-"):
        raise ValueError(f"Expected an encoder of segmentation-models-pytorch, got {settings.encoder!r}.")
    return make(
        encoder_name=settings.encoder,
        encoder_weights=None,
        in_channels=settings.in_channels,
        classes=len(settings.map_names),
        **_form(settings),
    )


def _form(settings: UNetSettings) -> dict:
    """What differs between the architectures: how deep, how wide, with which attention."""
    if not 3 <= settings.depth <= 5:
        raise ValueError(f"Expected a depth of 3 to 5 with architecture {settings.architecture}, got {settings.depth}.")
    if settings.attention == "gate" or (settings.attention == "scse" and settings.architecture not in WITH_SCSE):
        raise ValueError(
            f"Expected attention none{' or scse' if settings.architecture in WITH_SCSE else ''} with architecture "
            f"{settings.architecture}, got {settings.attention}."
        )
    form: dict = {"encoder_depth": settings.depth}
    if settings.architecture in WITH_SCSE:
        form["decoder_channels"] = tuple(settings.width * 2**n for n in reversed(range(settings.depth)))
        form["decoder_attention_type"] = "scse" if settings.attention == "scse" else None
    if settings.architecture == "fpn":
        form["decoder_dropout"] = settings.dropout
    return form
