"""What every network has: the form that it was made from."""

from __future__ import annotations

from torch import nn

from napari_centermask.settings import NetworkSettings


class Network(nn.Module):
    """A network of any family.

    Attributes
    ----------
    settings
        Its form.
    """

    settings: NetworkSettings


class Backbone(nn.Module):
    """A backbone: forward gives a dict of maps at strides 4, 8, 16 and 32, or half of them.

    Attributes
    ----------
    out_channels
        Width of each map by its name, finest first.
    """

    out_channels: dict[str, int]
