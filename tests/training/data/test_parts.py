"""Each family of networks has its training parts; truths move to a device as they are."""

import torch

from napari_centermask.settings import ModelSettings, UNetSettings
from napari_centermask.training.data.parts import Truth, on_device, parts_of
from napari_centermask.training.families.centermask import CenterMaskParts
from napari_centermask.training.families.unet import UNetParts


def test_the_form_decides_which_parts_train_it():
    assert type(parts_of(ModelSettings())) is CenterMaskParts
    assert type(parts_of(UNetSettings())) is UNetParts


def test_fields_that_are_none_stay_so():
    boxes = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    truth = Truth(boxes, torch.tensor([0]), torch.ones(1, 4, 4))
    moved = on_device(truth, torch.device("meta"))
    assert (moved.boxes.device.type, moved.ignore, moved.unreviewed) == ("meta", None, None)
    assert truth.boxes is boxes
