"""A network in a process of its own answers as the same one here."""

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import BadModel
from napari_centermask.engines.child import ChildEngine
from napari_centermask.engines.load import load_engine
from napari_centermask.engines.torch_server import KEPT
from napari_centermask.models.nets.mask_rcnn import MaskRCNN
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import MaskRCNNSettings

SMALL = {"resnet": "R-18", "pyramid_channels": 16, "box_fc": 16, "mask_head_convs": 1, "mask_head_channels": 16}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    torch.manual_seed(0)
    model = MaskRCNN(MaskRCNNSettings(**SMALL, categories=["a", "b"]))
    card = ModelCard(name="mine", licence="CC0-1.0", model=model.settings, diameter=30.0)
    path = tmp_path_factory.mktemp("model") / "mine.safetensors"
    save_model(path, model, card)
    return find_model(path)


@pytest.fixture(scope="module")
def child(files):
    return ChildEngine(files, device="cpu")


def test_it_answers_as_the_same_network_here(files, child):
    here = load_engine(files, engine="torch", device="cpu")
    tiles = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    ours, theirs = here.features(tiles), child.features(tiles)
    assert (child.name, child.device, child.batch) == (here.name, here.device, here.batch)
    for one, other in zip(ours.found, theirs.found, strict=True):
        assert len(one.boxes) == len(other.boxes) > 0
        assert np.allclose(one.scores, other.scores, atol=1e-5)
    boxes, classes = theirs.found[1].boxes[:3], theirs.found[1].classes[:3]
    assert np.allclose(here.votes(ours, boxes, index=1), child.votes(theirs, boxes, index=1), atol=1e-5)
    assert np.allclose(
        here.masks(ours, boxes, classes, index=1)[0], child.masks(theirs, boxes, classes, index=1)[0], atol=1e-4
    )


def test_features_that_the_process_has_forgotten_are_computed_again(child):
    rng = np.random.default_rng(1)
    first = child.features(rng.random((1, 3, 64, 64), np.float32))
    boxes, classes = first.found[0].boxes[:2], first.found[0].classes[:2]
    before, _ = child.masks(first, boxes, classes)
    for _ in range(KEPT):
        child.features(rng.random((1, 3, 64, 64), np.float32))
    again, _ = child.masks(first, boxes, classes)
    assert np.allclose(before, again, atol=1e-5)


def test_an_error_of_the_network_is_raised_here_and_it_goes_on(child):
    with pytest.raises(RuntimeError, match="channels"):
        child.features(np.zeros((1, 7, 64, 64), np.float32))
    assert len(child.features(np.zeros((1, 3, 64, 64), np.float32)).found) == 1


def test_a_device_that_is_not_there_is_a_message(files):
    with pytest.raises(BadModel, match="runs on auto, cpu, cuda, mps, not on 'directml'"):
        ChildEngine(files, device="directml")


def test_the_process_ends_with_the_engine_and_its_end_is_an_error(files):
    child = ChildEngine(files, device="cpu")
    process = child._process
    process.kill()
    with pytest.raises(RuntimeError, match="the process that runs it ended with code"):
        child.features(np.zeros((1, 3, 64, 64), np.float32))
    other = ChildEngine(files, device="cpu")
    process = other._process
    del other
    assert process.poll() is not None
