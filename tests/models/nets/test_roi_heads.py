"""The heads of regions; test_goldens.py compares their outputs with published ones."""

import torch

from napari_centermask.models.nets.roi_heads import of_class


def test_of_class_picks_each_regions_own_map():
    maps = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert torch.equal(of_class(maps, torch.tensor([2, 0])), torch.stack([maps[0, 2], maps[1, 0]]))
