"""Published checkpoints: every listed one loads, nothing in a file is ever executed, misfits are named."""

import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import BadModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.pickles import read_state
from napari_centermask.models.store.reference import convert_reference, guess_settings, settings_from_reference
from napari_centermask.settings import ModelSettings

SMALLEST = "centermask_lite_V_19_slim_dw_eSE"
LISTED = {
    "centermask_lite_V_19_slim_dw_eSE": "V-19-slim-dw-eSE",
    "centermask_lite_V_19_slim_eSE": "V-19-slim-eSE",
    "centermask_lite_V_19_eSE": "V-19-eSE",
    "centermask_lite_V_39_eSE": "V-39-eSE",
    "centermask_lite_Mv2": "MobileNetV2",
    "centermask_V_39_eSE": "V-39-eSE",
    "centermask_V_57_eSE": "V-57-eSE",
    "centermask_V_99_eSE": "V-99-eSE",
    "centermask_R_50": "R-50",
    "centermask_R_101": "R-101",
    "centermask_X_101": "X-101",
}
UNSUPPORTED = {
    "centermask_V_39_eSE_dcn": "deformable",
    "centermask_V_57_eSE_dcn": "deformable",
    "centermask_V_99_eSE_dcn": "deformable",
}


@pytest.fixture
def published(shared):
    """Facts of a published configuration and a state with its names and shapes; the values take no memory."""

    def make(name):
        facts = json.loads((shared / "goldens" / "keys" / f"{name}.json").read_text())
        state = OrderedDict((e["key"], torch.zeros(1).expand(e["shape"])) for e in facts["state_dict"])
        return facts, state

    return make


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("name", LISTED)
def test_every_listed_checkpoint_is_recognised_and_fits(name, published, tmp_path):
    facts, state = published(name)
    stored = {"model": state | {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)}, "iteration": 9}
    torch.save(stored, tmp_path / f"{name}.pth")
    converted, card = convert_reference(tmp_path / f"{name}.pth")
    assert card.model.backbone == LISTED[name]
    assert card.model == settings_from_reference(facts["config_values"])
    assert set(converted) == set(state)
    assert card.licence == "CC BY-NC 4.0"
    assert "commercial" in card.description
    assert (card.normalisation, card.kind) == ("reference", "centermask")


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_backbones_are_refused_with_the_reason(name, published):
    facts, state = published(name)
    with pytest.raises(BadModel, match=UNSUPPORTED[name]):
        guess_settings(state, where=name)
    with pytest.raises(BadModel, match=UNSUPPORTED[name]):
        settings_from_reference(facts["config_values"])


def test_groups_that_no_network_here_has_are_refused(published):
    values = published("centermask_X_101")[0]["config_values"]
    values["RESNETS"]["NUM_GROUPS"] = 64
    with pytest.raises(BadModel, match="groups other than those of X-101"):
        settings_from_reference(values)


@pytest.mark.parametrize("change", [{"maskiou": False}, {"class_agnostic_mask": True}, {"head_norm": "none"}])
@pytest.mark.parametrize("categories", [["a"], ["a", "b", "c"]])
def test_our_own_changes_of_form_are_recognised(change, categories):
    settings = ModelSettings(categories=categories, in_channels=2, top_levels=1, backbone_norm="FrozenBN", **change)
    with torch.device("meta"):
        state = CenterMask(settings).state_dict()
    with torch.device("meta"):
        again = CenterMask(guess_settings(state, where="x")).state_dict()
    assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in state.items()}


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_survive_both_pytorch_formats(legacy, published, tmp_path):
    facts, _ = published(SMALLEST)
    rng = np.random.default_rng(0)
    state = {e["key"]: torch.from_numpy(rng.random(e["shape"], np.float32)) for e in facts["state_dict"]}
    torch.save({"model": state}, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    converted, _ = convert_reference(tmp_path / "a.pth")
    assert all(torch.equal(converted[k], v) for k, v in state.items())


def test_numbers_of_a_scheduler_beside_the_weights_do_no_harm(published, tmp_path):
    _, state = published(SMALLEST)
    rest = {"scheduler": {"milestones": [1, 2], "lr": np.float64(0.1), "n": np.int64(3)}, "iteration": 5}
    torch.save({"model": state, **rest}, tmp_path / "a.pth")
    assert convert_reference(tmp_path / "a.pth")[1].model.backbone == "V-19-slim-dw-eSE"


def test_a_data_parallel_prefix_is_dropped(published, tmp_path):
    _, state = published(SMALLEST)
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "a.pth")
    assert set(read_state(tmp_path / "a.pth")) == set(state)


def test_detectron2_arrays_load(published, tmp_path):
    facts, _ = published(SMALLEST)
    arrays = {e["key"]: np.zeros(e["shape"], np.float32) for e in facts["state_dict"]}
    content = {"model": OrderedDict(arrays), "__author__": "someone", "matching_heuristics": True, "n": np.float32(1)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol=2))
    assert set(convert_reference(tmp_path / "a.pkl")[0]) == set(arrays)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".pkl"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_bomb_is_refused_and_never_executed(suffix, legacy, tmp_path):
    marker, path = tmp_path / "exploded", tmp_path / f"bomb{suffix}"
    content = {"model": {"a": torch.zeros(1), "b": Bomb(marker)}}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps({"model": {"b": Bomb(marker)}}, protocol=2 if legacy else 4))
    with pytest.raises(BadModel, match=r"bomb\.\w+ cannot be opened: .*mkdir") as caught:
        convert_reference(path)
    assert "weights_only" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_damaged_files_are_refused_whatever_the_damage(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    if suffix == ".pth":
        torch.save({"model": {"a": torch.zeros(3)}}, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps({"model": {"a": np.zeros(3)}}))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for trial in range(150):
        bad = bytearray(whole[: rng.integers(len(whole))] if trial % 3 == 0 else whole)
        for position in rng.integers(len(bad) or 1, size=min(len(bad), 4)):
            bad[position] = rng.integers(256)
        path.write_bytes(bytes(bad))
        with pytest.raises(BadModel):
            convert_reference(path)


def test_other_networks_are_refused_by_name(tmp_path):
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pth")
    with pytest.raises(
        BadModel, match=r"resnet\.pth does not have the weights of a CenterMask2 \(its first is conv1\.weight\)"
    ):
        convert_reference(tmp_path / "resnet.pth")
    with pytest.raises(BadModel, match="cannot be opened"):
        convert_reference(tmp_path / "absent.pth")


def test_a_checkpoint_that_does_not_fit_says_what_is_wrong(published, tmp_path):
    _, state = published(SMALLEST)
    del state["roi_heads.mask_head.deconv.weight"]
    state["roi_heads.box_head.fc1.weight"] = torch.zeros(2, 2)
    state["backbone.fpn_output4.bias"] = torch.zeros(256)
    torch.save({"model": state}, tmp_path / "a.pth")
    with pytest.raises(BadModel) as caught:
        convert_reference(tmp_path / "a.pth")
    message = str(caught.value)
    assert "1 missing: roi_heads.mask_head.deconv.weight" in message
    assert "1 unexpected: roi_heads.box_head.fc1.weight" in message
    assert "1 of another shape: backbone.fpn_output4.bias ((256,) instead of (128,))" in message


@pytest.mark.parametrize("lost", ["proposal_generator.fcos_head.cls_logits", "roi_heads.mask_head.mask_fcn1", "stem"])
def test_a_checkpoint_without_an_important_layer_is_refused(lost, published, tmp_path):
    _, state = published(SMALLEST)
    torch.save({k: v for k, v in state.items() if lost not in k}, tmp_path / "a.pth")
    with pytest.raises(BadModel, match=f"missing: .*{lost}|does not have the|not supported"):
        convert_reference(tmp_path / "a.pth")
