"""Proposals of training."""

import torch

from napari_centermask.models.nets.fcos import propose
from napari_centermask.training.losses.centermask import level_table


def test_the_best_candidates_of_each_level_become_proposals():
    points, strides, *_ = level_table([(4, 4), (2, 2)], (8, 16))
    logits = torch.full((1, 20, 1), -9.0)
    logits[0, :16, 0] = torch.linspace(1.0, 3.0, 16)  # the fine level is surer of all its locations
    logits[0, 16:, 0] = torch.tensor([0.1, 0.4, 0.3, 0.2])
    ltrb = torch.full((1, 20, 4), 2.0)  # boxes of 4 pixels never overlap
    ((boxes, classes),) = propose(logits, ltrb, torch.zeros(1, 20), points, strides, candidates=2)
    centres = boxes.reshape(-1, 2, 2).mean(dim=1)
    assert torch.equal(centres, points[[15, 14, 17, 18]])
    assert torch.equal(classes, torch.zeros(4, dtype=torch.int64))
