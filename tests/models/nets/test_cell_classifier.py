"""Measures of the network that classifies cells."""

import torch

from napari_centermask.models.nets.cell_classifier import measures


def test_measures_are_those_inside_and_around_the_mask():
    crops = torch.zeros(1, 2, 4, 4)
    crops[0, 0] = torch.arange(16).view(4, 4)
    crops[0, 1, 1:3, 1:3] = 1
    measured = measures(crops)[0]
    inside = torch.tensor([5.0, 6, 9, 10])
    assert torch.allclose(measured[:2], torch.stack([inside.mean(), inside.std(correction=0)]), atol=1e-2)
    assert measured[4:6].tolist() == [5.0, 10.0]
    assert measured[6] == 0.25
