"""Build a network of any family from its settings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_centermask.models.families import Family, family_of
from napari_centermask.models.nets.network import Network
from napari_centermask.models.nets.unet import PlainUNet
from napari_centermask.settings import AnyModel, UNetSettings


class MapModel(Network):
    """A network that predicts maps for a tile, one for each of `settings.map_names`.

    Attributes
    ----------
    network
        The architecture; its output is raw.
    """

    settings: UNetSettings

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = _make_network(settings)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) float32, normalised -> (B, maps, H, W) raw."""
        raw: Tensor = self.network(x)
        return raw

    def outputs(self, x: Tensor) -> list[Tensor]:
        """For training: the raw maps, then those of the coarser levels with deep supervision."""
        return self.network.outputs(x) if isinstance(self.network, PlainUNet) else [self.network(x)]

    def maps(self, x: Tensor) -> Tensor:
        """(B, maps, H, W) in [0, 1]; the classes sum to 1 in each pixel."""
        return activate(self(x), self.settings.n_classes)


def activate(raw: Tensor, n_classes: int) -> Tensor:
    """Softmax over the class maps, sigmoid of the others; (B, maps, H, W)."""
    return torch.cat([raw[:, :n_classes].softmax(dim=1), raw[:, n_classes:].sigmoid()], dim=1)


def build_model(settings: AnyModel) -> Network:
    """A new network of the settings' family.

    Raises
    ------
    ValueError
        If the settings do not describe a network.
    MissingExtra
        If it needs segmentation-models-pytorch and that is not installed.
    """
    network: Network = Family.load(family_of(settings).network)(settings)
    return network


def _make_network(settings: UNetSettings) -> nn.Module:
    if settings.architecture == "plain":
        return PlainUNet(settings)
    from napari_centermask.models.nets.smp import make_smp

    return make_smp(settings)
