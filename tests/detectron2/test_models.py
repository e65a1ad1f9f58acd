"""A model of detectron2 is a model here: installed from its files, segmenting, trained further."""

import pickle

import numpy as np
import pytest
import torch

from napari_centermask.cli import run
from napari_centermask.core.errors import BadModel
from napari_centermask.engines.load import load_engine
from napari_centermask.io.images import read_plane
from napari_centermask.models.store.checkpoint import load_model
from napari_centermask.models.store.zoo import add_model, find_model
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.prompt import Prompter
from napari_centermask.settings import SegmentSettings, TrainSettings
from napari_centermask.training.run.loop import train

pytest.importorskip("detectron2.modeling", reason="detectron2 is not installed (docs/detectron2.md)")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def files(home, config):
    """A function: the configuration of a model and its weights as the zoo has them, and the model itself."""
    from napari_centermask.detectron2.config import load_config
    from napari_centermask.detectron2.network import build

    def write(text, suffix=".pkl"):
        torch.manual_seed(0)
        path = config(text)
        cfg = load_config(path)
        cfg.MODEL.DEVICE = "cpu"
        model = build(cfg).eval()
        weights = home / f"model_final{suffix}"
        state = model.state_dict()
        if suffix == ".pkl":
            arrays = {key: value.numpy() for key, value in state.items()}
            weights.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}, protocol=2))
        else:
            torch.save({"model": state, "iteration": 9}, weights)
        return path, weights, model

    return write


@pytest.mark.parametrize("suffix", [".pkl", ".pth"])
def test_a_model_of_the_zoo_is_installed_and_finds_what_detectron2_finds(files, small, suffix):
    from napari_centermask.detectron2.network import LOWEST, MOST

    path, weights, theirs = files(small, suffix)
    installed = add_model(path, "mine", weights=weights)
    assert (installed.card.kind, installed.card.normalisation) == ("detectron2", "reference")
    assert installed.graphs is None
    engine = load_engine("mine", device="cpu")
    image = torch.randint(0, 255, (3, 96, 128), generator=torch.Generator().manual_seed(0)).float()
    predictor = theirs.roi_heads.box_predictor
    predictor.test_score_thresh, predictor.test_topk_per_image, predictor.test_nms_thresh = LOWEST, MOST, 0.9
    theirs.proposal_generator.post_nms_topk[False] = MOST
    with torch.no_grad():
        (wanted,) = theirs.inference([{"image": image}], do_postprocess=False)
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (engine.card.mean, engine.card.std))
    features = engine.features((image[None].numpy() - mean) / std)
    found = features.found[0]
    assert len(found.boxes) == len(wanted) > 0
    assert np.allclose(found.boxes, wanted.pred_boxes.tensor, atol=1e-2)
    assert np.allclose(found.scores, wanted.scores, atol=1e-4)
    masks, quality = engine.masks(features, found.boxes, found.classes)
    assert np.allclose(masks, wanted.pred_masks[:, 0], atol=1e-2)
    assert (quality == 1).all()
    assert np.allclose(engine.votes(features, found.boxes[:3]).sum(axis=1), 1)


def test_the_command_line_installs_and_segments(files, ours, folder, home, capsys):
    path, weights, _ = files(ours, ".pth")
    assert run(["models", "add", str(path), "--weights", str(weights), "--name", "theirs"]) == 0
    out = home / "results"
    image = folder / "images" / "1.png"
    code = run(["segment", str(image), "--model", "theirs", "--diameter", "30", "--score", "0", "--out", str(out)])
    assert code == 0, capsys.readouterr().err
    assert any(out.iterdir())
    prompter = Prompter(
        load_engine("theirs", device="cpu"), np.asarray(read_plane(image)), SegmentSettings(diameter=30.0)
    )
    prompter.box(20, 30, 60, 80)


def test_a_mask_iou_is_the_quality_of_a_mask(files, ours):
    path, weights, _ = files(ours)
    add_model(path, "theirs", weights=weights)
    engine = load_engine("theirs", device="cpu")
    features = engine.features(np.zeros((2, 3, 64, 96), np.float32))
    masks, quality = engine.masks(features, np.array([[4, 4, 40, 50]], np.float32), np.zeros(1, np.int64), index=1)
    assert masks.shape == (1, 28, 28)
    assert 0 <= quality[0] <= 1


def test_it_is_trained_further_for_other_categories(files, small, folder, home):
    path, weights, _ = files(small)
    add_model(path, "mine", weights=weights)
    (folder / "annotations_train.json").write_bytes((folder / "annotations.json").read_bytes())
    (folder / "annotations_val.json").write_bytes((folder / "annotations.json").read_bytes())
    settings = TrainSettings.model_validate(
        {"data": [folder], "out": home / "run", "start": "mine", "diameter": 30, "tile": 128, "batch": 1, "steps": 6}
        | {"workers": 0, "warmup": 1, "device": "cpu", "amp": "off", "evaluate_every": 6, "learning_rate": 1e-3}
        | {"model": {"family": "detectron2", "categories": ["living", "dead"]}}
    )
    run_events = list(train(settings, evaluate=lambda *_: {"AP": 0.0}))
    steps = [event for event in run_events if event.event == "step"]
    assert {"loss_rpn_cls", "loss_cls", "loss_mask"} <= set(steps[0].losses)
    model, card = load_model(home / "run" / "best.safetensors")
    assert card.model.categories == ["living", "dead"]
    assert model.roi_heads.box_predictor.cls_score.weight.shape[0] == 3


def test_a_file_that_does_not_fit_is_a_message_and_nothing_is_installed(files, small, ours, home, config):
    path, weights, _ = files(small)
    with pytest.raises(BadModel, match="Name its weights too"):
        add_model(path, "mine")
    with pytest.raises(BadModel, match="do not fit"):
        add_model(config(ours, "other.yaml"), "mine", weights=weights)
    evil = home / "evil.pkl"
    evil.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(BadModel, match="Files that would run code are never opened"):
        add_model(path, "mine", weights=evil)
    retina = config("MODEL: {META_ARCHITECTURE: RetinaNet}\nVERSION: 2", "retina.yaml")
    with pytest.raises(BadModel, match="does not find boxes first and masks in them"):
        add_model(retina, "mine", weights=weights)
    faster = config(small.replace("MASK_ON: True", "MASK_ON: False"), "faster.yaml")
    with pytest.raises(BadModel, match="has no masks"):
        add_model(faster, "mine", weights=weights)
    with pytest.raises(BadModel, match="There is no model 'mine'"):
        find_model("mine")


def test_cells_of_a_stack_of_tiles_are_found_by_the_pipeline(files, small, folder):
    path, weights, _ = files(small)
    add_model(path, "mine", weights=weights)
    image = np.asarray(read_plane(folder / "images" / "1.png"))
    cells = segment(image, load_engine("mine", device="cpu"), SegmentSettings(diameter=30.0, score=0.05, tile=256))
    assert all(cell.category in (1, 2) for cell in cells)
