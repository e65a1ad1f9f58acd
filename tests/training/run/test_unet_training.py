"""U-Nets in the shared loop: they learn, resume, start from one another and follow every schedule."""

import json

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.coco.document import read_coco
from napari_centermask.models.nets.build import MapModel
from napari_centermask.models.nets.smp import CLASSES
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.settings import AugmentSettings, LossSettings, TrainSettings, UNetSettings
from napari_centermask.training.data.loader import batches
from napari_centermask.training.run import validate
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.optimise import learning_rate
from napari_centermask.training.run.start import for_categories, make_start
from napari_centermask.training.run.trainer import Trainer

SMALL = {"in_channels": 1, "width": 8, "depth": 3}


def quiet(settings, score=lambda *_: {"AP": 0.0}):
    return list(train(settings, evaluate=score))


def test_a_unet_learns_to_find_the_cells(unet):
    """Bright squares on dark ground: after a hundred steps most of them are found."""
    run = list(train(unet.model_copy(update={"steps": 100, "evaluate_every": 100})))
    (last,) = (e for e in run if e.event == "evaluation")
    assert last.AP50 > 0.6
    model, card = load_model(unet.out / "best.safetensors")
    assert isinstance(model, MapModel)
    assert card.kind == "unet"
    assert card.training["settings"]["losses"]["dice"] == 1.0
    assert json.loads((unet.out / "run.json").read_text())["model"]["family"] == "unet"


def test_every_loss_falls(unet):
    losses = LossSettings(focal=1, tversky=1, boundary=0.5, class_weights="balanced")
    longer = unet.model_copy(update={"steps": 60, "evaluate_every": 1000, "losses": losses})
    steps = [e for e in quiet(longer) if e.event == "step"]
    for name in ("loss_class", "loss_border", "loss_distance"):
        assert steps[-1].losses[name] < 0.9 * steps[0].losses[name], name


@pytest.mark.parametrize("workers", [0, 1])
def test_a_tile_is_the_same_whoever_draws_it(unet, workers):
    whole = [b for b, _ in zip(batches(unet), range(3), strict=False)]
    rest = next(iter(batches(unet.model_copy(update={"workers": workers}), start_tile=2 * unet.batch)))
    assert torch.equal(rest.images, whole[2].images)
    for name, value in vars(rest.truths).items():
        assert torch.equal(value, getattr(whole[2].truths, name)), name


def test_deep_supervision_and_attention_train(unet):
    model = UNetSettings(**SMALL, deep_supervision=True, attention="gate", dropout=0.2)
    quiet(unet.model_copy(update={"model": model}))
    again, _ = load_model(unet.out / "best.safetensors")
    assert again.settings == model


@pytest.mark.parametrize("architecture", CLASSES)
def test_a_family_is_exchanged_by_one_setting(unet, architecture):
    model = unet.model.model_copy(update={"architecture": architecture, "width": 4})
    quiet(unet.model_copy(update={"model": model, "tile": 64, "steps": 1}))
    again, card = load_model(unet.out / "best.safetensors")
    assert again.settings == card.model == model


def test_the_rate_is_found_for_a_unet(unet):
    run = quiet(unet.model_copy(update={"find_rate": True}))
    (notice,) = (e for e in run if e.event == "notice")
    assert notice.losses
    assert json.loads((unet.out / "run.json").read_text())["learning_rate"] == pytest.approx(
        notice.rates[int(np.argmin(notice.losses))] / 3
    )


def test_a_resumed_unet_continues_where_it_stopped(unet):
    quiet(unet)
    run = quiet(unet.model_copy(update={"steps": 8, "resume": True}))
    assert (run[0].step, run[-1].step) == (unet.steps, 8)


def test_a_unet_is_trained_further(unet):
    quiet(unet)
    parent, _ = load_model(unet.out / "best.safetensors")
    values = unet.model_dump(exclude={"model"}) | {"start": str(unet.out / "best.safetensors"), "steps": 2}
    further = TrainSettings.model_validate(values | {"out": unet.out.parent / "next"})
    start = make_start(further)
    assert start.model.settings == parent.settings
    assert start.parent == unet.out.name
    quiet(further)
    assert load_model(further.out / "best.safetensors")[1].parent == unet.out.name


def test_a_start_model_of_the_other_family_is_refused(unet):
    quiet(unet)
    other = unet.model_dump() | {"start": str(unet.out / "best.safetensors"), "model": {"family": "centermask"}}
    with pytest.raises(BadSettings, match="settings are for a CenterMask, but the start model run is a U-Net"):
        make_start(TrainSettings.model_validate(other))


@torch.no_grad()
def test_new_categories_begin_as_what_the_model_knew():
    old = MapModel(UNetSettings(**SMALL, categories=["living", "dead"])).eval()
    new = for_categories(old, ["dead", "dividing"]).eval()
    x = torch.rand(1, 1, 32, 32)
    before, after = old(x), new(x)
    assert torch.allclose(after[:, [0, 3, 4]], before[:, [0, 3, 4]], atol=1e-6)  # background, border, distance
    assert torch.allclose(after[:, 1], before[:, 2], atol=1e-6)
    assert torch.allclose(after[:, 2], before[:, 1:3].mean(dim=1), atol=1e-6)


def test_rare_categories_fill_more_of_the_tiles(two, unet):
    """Balanced tiles: with `oversample` the rarer category has a larger part of the pixels."""
    plain = unet.model_copy(
        update={
            "model": UNetSettings(**SMALL, categories=["living", "dead"]),
            "augment": AugmentSettings(copy_paste=0),
            "tile": 64,
        }
    )

    def part(settings):
        drawn = [b.truths.classes for b, _ in zip(batches(settings), range(60), strict=False)]
        counts = torch.bincount(torch.cat(drawn).flatten(), minlength=256)
        return float(counts[2] / counts[1:3].sum())

    assert part(plain.model_copy(update={"oversample": 1.0})) > 1.1 * part(plain)


def test_a_plateau_halves_the_rate(unet):
    scores = iter([0.5, 0.4, 0.4, 0.4, 0.4, 0.6])
    plateau = unet.model_copy(update={"schedule": "plateau", "evaluate_every": 1, "warmup": 0})
    quiet(plateau, lambda *_: {"AP": next(scores)})
    trainer = Trainer(plateau)
    trainer.resume()
    assert trainer.progress.drops == 2
    assert [learning_rate(plateau, 9, 0.5, drops=n) for n in (0, 1, 3)] == pytest.approx(
        [plateau.learning_rate * f for f in (1, 0.5, 0.125)]
    )


def test_one_cycle_rises_and_falls_as_torch_has_it(unet):
    settings = unet.model_copy(update={"schedule": "one-cycle", "warmup": 0})
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    total = 101
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=total, final_div_factor=1e5 / 25
    )
    for step in range(total):
        # Theirs ends the rise at step 0.3 * total - 1.
        rise = 0.3 * total - 1
        done = 0.3 * step / rise if step <= rise else 0.3 + 0.7 * (step - rise) / (total - 1 - rise)
        assert learning_rate(settings, step, done) == pytest.approx(theirs.get_last_lr()[0], rel=1e-3)
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize(("swapped", "expected"), [(False, 1.0), (True, 0.0)])
def test_the_best_model_of_several_categories_tells_them_apart(two, unet, monkeypatch, swapped, expected):
    """Cells that are found but called by the wrong name do not count."""
    truths = iter(read_coco(two / "annotations_val.json", images_root=two / "images"))
    names = ["dead", "living"] if swapped else ["living", "dead"]

    def segment_wrongly(*_args, **_kwargs):
        cells = next(truths).instances
        cells.categories = dict(enumerate(names, start=1))
        return cells

    monkeypatch.setattr(validate, "segment", segment_wrongly)
    settings = unet.model_copy(update={"model": UNetSettings(**SMALL, categories=["living", "dead"])})
    trainer = Trainer(settings)
    result = validate.evaluate(trainer.averaged(), trainer)
    assert result["AP"] == result["AP50"] == 1.0
    assert result["category_AP50"] == validate.quality(result) == expected
    assert result["per_folder"]["data"]["category_AP50"] == {"living": expected, "dead": expected}
