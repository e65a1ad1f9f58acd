"""A Mask R-CNN in the shared loop: it is trained, kept, started from and compared like every other model."""

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines.load import load_engine
from napari_centermask.io.images import read_plane
from napari_centermask.models.nets.mask_rcnn import MaskRCNN
from napari_centermask.models.store.checkpoint import load_model, save_model
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.prompt import Prompter
from napari_centermask.settings import MaskRCNNSettings, SegmentSettings, TrainSettings
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.start import for_categories

SMALL = {
    "resnet": "R-18",
    "in_channels": 1,
    "pyramid_channels": 32,
    "box_fc": 64,
    "mask_head_convs": 1,
    "mask_head_channels": 32,
}


@pytest.fixture
def rcnn(settings):
    """A short run of a small Mask R-CNN on the folder."""
    model = MaskRCNNSettings(**SMALL, anchor_sizes=[12, 24, 48, 96, 192])
    return settings.model_copy(update={"model": model, "learning_rate": 2e-3, "ema": 0.9})


def test_it_finds_cells_after_a_short_training(rcnn, folder):
    """Bright squares on dark ground: losses fall, most cells are found, and the engine finds them from the file."""
    run = list(train(rcnn.model_copy(update={"steps": 60, "evaluate_every": 60})))
    steps = [event for event in run if event.event == "step"]
    assert sum(steps[-1].losses.values()) < 0.5 * sum(steps[0].losses.values())
    assert {"loss_objectness", "loss_rpn_box", "loss_category", "loss_box", "loss_mask"} <= set(steps[0].losses)
    (last,) = (event for event in run if event.event == "evaluation")
    assert last.AP50 > 0.5
    files = find_model(rcnn.out / "best.safetensors")
    assert files.card.kind == "maskrcnn"
    assert files.card.model == rcnn.model
    assert files.graphs is None
    image = np.asarray(read_plane(folder / "images" / "val_3.png"))
    engine = load_engine(files, device="cpu")
    cells = segment(image, engine, SegmentSettings(diameter=28.0, score=0.5))
    assert 7 <= len(cells) <= 13
    biggest = max(cells, key=lambda cell: cell.area)
    y0, x0, y1, x1 = biggest.box
    assert image[0, y0:y1, x0:x1][biggest.mask].mean() > 150


def test_a_checkpoint_gives_the_same_network(tmp_path, rcnn):
    from napari_centermask.training.run.validate import make_card

    model = MaskRCNN(rcnn.model).eval()
    card = make_card(rcnn, model, name="mine", parent=None)
    save_model(tmp_path / "mine.safetensors", model, card, half=False)
    again, read = load_model(tmp_path / "mine.safetensors")
    assert read == card
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_resumed_run_continues_and_another_starts_from_it(rcnn):
    quick = {"evaluate": lambda *_: {"AP": 0.0}}
    short = rcnn.model_copy(update={"steps": 2})
    list(train(short, **quick))
    run = list(train(short.model_copy(update={"steps": 3, "resume": True}), **quick))
    assert run[-1].step == 3
    values = short.model_dump(exclude={"model"}) | {"start": str(short.out / "best.safetensors"), "steps": 1}
    further = TrainSettings.model_validate(values | {"out": short.out.parent / "next"})
    list(train(further, **quick))
    assert load_model(further.out / "best.safetensors")[1].parent == short.out.name


@torch.no_grad()
def test_new_categories_begin_as_what_the_model_knew():
    torch.manual_seed(0)
    old = MaskRCNN(MaskRCNNSettings(**SMALL, categories=["living", "dead"])).eval()
    new = for_categories(old, ["dead", "dividing"]).eval()
    x = torch.rand(1, 1, 64, 64)
    regions = [torch.tensor([[4.0, 4, 30, 40]])]
    (before, shares), (after, new_shares) = (m.judge(m(x), regions, (64, 64))[0] for m in (old, new))
    assert torch.allclose(after[:, 0], before[:, 1], atol=1e-4)
    assert torch.allclose((new_shares[:, 1] / new_shares[:, 0]), (shares[:, 2] / shares[:, 0]), rtol=1e-4)


def test_settings_of_other_families_are_refused(rcnn):
    with pytest.raises(BadSettings, match=r"instance_losses.mask' has no effect: the model is a Mask R-CNN"):
        list(train(TrainSettings.model_validate(rcnn.model_dump() | {"instance_losses": {"mask": 2.0}})))


def test_a_box_drawn_by_hand_is_filled_and_a_click_is_answered(rcnn, folder, tmp_path):
    from napari_centermask.training.run.validate import make_card

    model = MaskRCNN(rcnn.model.model_copy(update={"categories": ["living", "dead"]})).eval()
    settings = rcnn.model_copy(update={"model": model.settings})
    save_model(tmp_path / "m.safetensors", model, make_card(settings, model, name="m", parent=None))
    with torch.no_grad():
        model.roi_heads.mask_predictor.mask_fcn_logits.bias.fill_(5.0)  # fills every box
    engine = load_engine(tmp_path / "m.safetensors", device="cpu")
    engine._network.load_state_dict(model.state_dict(), strict=False)
    image = np.asarray(read_plane(folder / "images" / "val_3.png"))
    prompter = Prompter(engine, image, SegmentSettings(diameter=28.0))
    cell = prompter.box(20, 30, 60, 80)
    assert cell is not None
    assert cell.area > 0.9 * 40 * 50
    assert cell.category in (1, 2)
    assert sum(cell.probabilities) == pytest.approx(1)
    prompter.click(40, 50)


def test_it_is_installed_without_graphs_and_export_and_quantise_say_why(rcnn, tmp_path, monkeypatch, capsys):
    from napari_centermask.cli import run
    from napari_centermask.training.run.validate import make_card

    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    model = MaskRCNN(rcnn.model).eval()
    path = tmp_path / "best.safetensors"
    save_model(path, model, make_card(rcnn, model, name="best", parent=None))
    assert run(["models", "add", str(path), "--name", "mine"]) == 0
    assert "A Mask R-CNN has no ONNX graphs and runs with PyTorch alone." in capsys.readouterr().err
    assert [p.name for p in find_model("mine").paths] == ["mine.safetensors"]
    assert run(["export", "mine"]) == 2
    assert "runs with PyTorch alone. It cannot be exported or quantised" in capsys.readouterr().err
    assert run(["quantise", "mine", str(tmp_path), "--out", str(tmp_path / "int8")]) == 2
    assert "runs with PyTorch alone. It cannot be exported or quantised" in capsys.readouterr().err
    with pytest.raises(BadSettings, match="PyTorch alone"):
        load_engine("mine", engine="openvino")
