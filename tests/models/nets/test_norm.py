"""Norms by name; the frozen one is a batch norm that no training changes."""

import pytest
import torch
from torch import nn

from napari_centermask.models.nets.norm import FrozenBatchNorm2d, make_norm


def test_a_frozen_norm_is_its_statistics_by_hand_and_has_nothing_to_train():
    norm = FrozenBatchNorm2d(2, eps=0.0)
    norm.load_state_dict(
        {
            "weight": torch.tensor([2.0, 1.0]),
            "bias": torch.tensor([1.0, 0.0]),
            "running_mean": torch.tensor([3.0, 0.0]),
            "running_var": torch.tensor([4.0, 1.0]),
        }
    )
    x = torch.tensor([5.0, 7.0]).reshape(1, 2, 1, 1)
    assert norm.train()(x).flatten().tolist() == [2 * (5 - 3) / 2 + 1, 7.0]
    assert list(norm.parameters()) == []


def test_each_name_is_its_layer():
    kinds = {"FrozenBN": FrozenBatchNorm2d, "BN": nn.BatchNorm2d, "GN": nn.GroupNorm, "none": nn.Identity}
    assert {name: type(make_norm(name, 64)) for name in kinds} == kinds
    with pytest.raises(ValueError, match="LayerNorm"):
        make_norm("LayerNorm", 64)
