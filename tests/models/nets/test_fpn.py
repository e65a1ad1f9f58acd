"""The pyramid adds coarser levels to finer ones; test_goldens.py compares it with published outputs."""

import pytest
import torch

from napari_centermask.models.nets.fpn import FPN
from napari_centermask.models.nets.network import Backbone


class Ones(Backbone):
    """Maps of ones at strides 4, 8, 16 and 32."""

    out_channels = {f"res{level}": 1 for level in (2, 3, 4, 5)}

    def forward(self, x):
        return {f"res{n}": torch.ones(len(x), 1, x.shape[2] // 2**n, x.shape[3] // 2**n) for n in (2, 3, 4, 5)}


@pytest.mark.parametrize(("first", "top", "levels"), [(3, 2, 5), (2, 0, 4), (3, 1, 4)])
def test_levels_halve_from_the_first_to_the_top(first, top, levels):
    maps = FPN(Ones(), 2, first_level=first, top_levels=top)(torch.zeros(1, 3, 64, 128))
    assert [m.shape[1:] for m in maps] == [(2, -(-64 // 2**n), -(-128 // 2**n)) for n in range(first, first + levels)]


def test_a_level_holds_the_sum_of_all_coarser_ones():
    fpn = FPN(Ones(), 1, top_levels=0)
    for level in (3, 4, 5):
        getattr(fpn, f"fpn_lateral{level}").weight.data.fill_(1)
        output = getattr(fpn, f"fpn_output{level}").weight.data
        output.zero_()
        output[0, 0, 1, 1] = 1
    assert [m.unique().tolist() for m in fpn(torch.zeros(1, 3, 64, 64))] == [[3.0], [2.0], [1.0]]
