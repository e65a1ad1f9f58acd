"""Only the reviewed parts of a partly reviewed image are used for training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.settings import AugmentSettings
from napari_centermask.training.data.loader import load_split
from napari_centermask.training.data.parts import Truth
from napari_centermask.training.data.sample import Sample
from napari_centermask.training.data.sampler import TileSampler
from napari_centermask.training.data.window import Window, cut_unreviewed
from napari_centermask.training.losses.batch_losses import batch_losses
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.trainer import Trainer

PLAIN = AugmentSettings(intensity=0, blur=0, noise=0, gradient=0, grey=0, copy_paste=0)


@pytest.fixture
def half(folder, cells):
    """The folder with one training image, of which the left half is reviewed; returns its cells."""
    truth = cells(n=14, overlap=0.0, seed=5, shape=(160, 200))
    for cell in list(truth):
        right = cell.box[1] + cell.box[3] > 200
        truth.set(cell.id, replace(cell, status="predicted", source="nuclei") if right else cell)
    human = next(c for c in truth if c.status == "predicted")
    truth.set(human.id, replace(human, status="corrected"))
    left = next(c for c in truth if c.box[3] < 90)
    truth.set(left.id, replace(left, status="rejected"))
    Image.fromarray(np.full((160, 200), 20, np.uint8)).save(folder / "images" / "half.png")
    records = [
        ImageRecord(1, "half.png", None, truth.shape, truth, reviewed=((0, 0, 160, 100),)),
        ImageRecord(2, "train_1.png", None, (160, 200), type(truth)((160, 200))),
    ]
    write_coco(folder / "annotations_train.json", records)
    return truth


def test_right_are_reviewed_and_human_cells_and_untouched_images_are_left_out(folder, half):
    (sample,) = load_split(folder, "train")
    wanted = {c.id for c in half if c.status == "corrected" or (c.box[1] + c.box[3] < 200 and c.status != "rejected")}
    assert set(sample.instances.ids) == wanted
    assert {c.id for c in sample.doubtful} == {c.id for c in half if c.status == "predicted" and c.id not in wanted}
    assert sample.reviewed == ((0, 0, 160, 100),)


def test_a_file_of_another_program_is_complete(folder):
    assert [s.reviewed for s in load_split(folder, "train")] == [None, None]


def test_unreviewed_pixels_are_marked_in_the_tile(folder, half):
    (sample,) = load_split(folder, "train")
    unknown = cut_unreviewed(sample, Window(-16.0, -16.0, 1.0, 224))
    assert not unknown[:16].any()  # beside the image
    assert not unknown[:, :16].any()
    expected = np.zeros((160, 200), bool)
    expected[:, 100:] = True
    for cell in sample.doubtful:
        y0, x0, y1, x1 = cell.box
        expected[y0:y1, x0:x1] |= cell.mask
    assert np.array_equal(unknown[16:176, 16:216], expected)


@pytest.mark.parametrize("rotate", [0.0, 30.0])
def test_the_marks_follow_the_image(folder, half, settings, rotate):
    (sample,) = load_split(folder, "train")
    image = np.full((1, 160, 200), 20, np.uint8)
    image[..., 100:] = 200
    sample = Sample(image, sample.instances, sample.lo * 0, sample.lo * 0 + 220, reviewed=sample.reviewed)
    plain = PLAIN.model_copy(update={"rotate": rotate})
    tiles = TileSampler([[sample]], settings.model_copy(update={"augment": plain}))
    marked = 0
    for index in range(6):
        tile = tiles[index]
        bright, unknown = tile.image[0] > 0.5, tile.unreviewed.astype(bool)
        marked += int(unknown.sum())
        assert bright[unknown].sum() >= 0.97 * unknown.sum()
    assert marked > 3000


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


def test_a_run_learns_nothing_from_unreviewed_background(folder, half, settings, monkeypatch):
    """The marks reach the losses of the run itself, not only those that search the learning rate."""
    seen = []
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, images, truths: seen.extend(truths) or step(self, images, truths))
    list(train(settings.model_copy(update={"steps": 2}), evaluate=lambda *_: {"AP": 0.0}))
    assert any(truth.unreviewed is not None and truth.unreviewed.any() for truth in seen)
