"""Losses of a batch reach every part of the network, and nothing unreviewed."""

import pytest
import torch

from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.training.data.parts import Truth
from napari_centermask.training.losses.batch_losses import batch_losses
from napari_centermask.training.run.trainer import Trainer


def test_unreviewed_background_is_neither_punished_nor_rewarded(settings):
    torch.manual_seed(0)
    model = Trainer(settings).model.train()
    image = torch.rand(1, 1, 128, 128)
    boxes, masks = torch.tensor([[10.0, 10, 40, 40]]), torch.zeros(1, 128, 128, dtype=torch.uint8)
    masks[0, 10:40, 10:40] = 1
    unreviewed = torch.zeros(128, 128, dtype=torch.uint8)
    unreviewed[:, 64:] = 1

    def gradient(unknown):
        truth = Truth(boxes, torch.tensor([0]), masks, None, unknown)
        seen = []

        def keep(module, given, out):
            out.retain_grad()
            seen.append(out)

        hook = model.proposal_generator.fcos_head.cls_logits.register_forward_hook(keep)
        batch_losses(model, image, [truth])["loss_fcos_cls"].backward()
        hook.remove()
        return seen[0].grad[0, 0]  # stride 8

    marked, plain = gradient(unreviewed), gradient(None)
    assert (marked[:, 8:] == 0).all()
    assert (plain[:, 8:] > 0).all()
    assert torch.equal(marked[:, :8], plain[:, :8])


@pytest.mark.parametrize(
    ("first_level", "roi_size", "stem_stride"), [(3, 14, 4), (2, 14, 4), (2, 10, 4), (2, 6, 4), (3, 14, 2), (2, 10, 2)]
)
def test_losses_reach_every_part_of_the_network(tiny, first_level, roi_size, stem_stride):
    torch.manual_seed(0)
    model = CenterMask(
        tiny.model_copy(update={"first_level": first_level, "roi_size": roi_size, "stem_stride": stem_stride})
    )
    masks = torch.zeros(2, 64, 96, dtype=torch.uint8)
    masks[0, 10:30, 20:44], masks[1, 30:60, 50:90] = 1, 1
    boxes = torch.tensor([[20.0, 10.0, 44.0, 30.0], [50.0, 30.0, 90.0, 60.0]])
    truth = Truth(boxes, torch.zeros(2, dtype=torch.int64), masks, torch.zeros(0, 4))
    losses = batch_losses(model, torch.rand(1, 1, 64, 96), [truth])
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    lateral = getattr(model.backbone, f"fpn_lateral{first_level}")
    heads = model.roi_heads.mask_head.predictor, model.roi_heads.maskiou_head.maskiou_fc1
    assert all(layer.weight.grad.abs().sum() > 0 for layer in (lateral, *heads))
