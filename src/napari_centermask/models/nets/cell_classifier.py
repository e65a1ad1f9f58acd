"""A small network that classifies a cell from a square crop around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_centermask.settings import ClassifierSettings

# Part of every trained classifier: a change would change their results.
_PIXEL = 1e-3  # added to the pixels of a mask, so that an empty one divides by no zero
_SPREAD = 1e-6  # added to the variance, as the gradient of a root at 0 is infinite; 0.001 of the intensity range
_FAR = 10.0  # beyond all intensities, which end at 2 (`core.normalise.CLIP`)


class CellClassifier(nn.Module):
    """Three levels of convolutions, with measures of the intensities inside and around the mask."""

    def __init__(self, settings: ClassifierSettings) -> None:
        super().__init__()
        self.settings = settings
        width, n_in = settings.width, settings.in_channels + 1
        self.levels = nn.Sequential(_level(n_in, width), _level(width, 2 * width), _level(2 * width, 4 * width))
        n_measures = 6 * settings.in_channels + 1
        self.scale = nn.BatchNorm1d(n_measures)
        self.drop = nn.Dropout(settings.dropout)
        self.head = nn.Linear(8 * width + n_measures, len(settings.categories))

    def forward(self, crops: Tensor) -> Tensor:
        """(N, C + 1, S, S) crops, the mask last -> (N, categories) logits."""
        maps = self.levels(crops)
        seen = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3)), self.scale(measures(crops))], dim=1)
        return self.head(self.drop(seen))


def measures(crops: Tensor) -> Tensor:
    """For each channel mean, spread, minimum and maximum inside the mask, and mean and spread around it; and the mask's fraction.

    Returns
    -------
    Tensor
        (N, 6 C + 1).
    """
    mask = crops[:, -1:]
    image = crops[:, :-1]
    parts = []
    for weight in (mask, 1 - mask):
        total = weight.sum(dim=(2, 3)) + _PIXEL
        mean = (image * weight).sum(dim=(2, 3)) / total
        spread = (((image - mean[..., None, None]) ** 2 * weight).sum(dim=(2, 3)) / total + _SPREAD).sqrt()
        parts += [mean, spread]
    far = _FAR * (1 - mask)
    parts += [(image + far).amin(dim=(2, 3)), (image - far).amax(dim=(2, 3)), mask.mean(dim=(2, 3))]
    return torch.cat(parts, dim=1)


def _level(n_in: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n in (n_in, n_out):
        layers += [nn.Conv2d(n, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
