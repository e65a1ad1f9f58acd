"""Our model files: written whole, read exactly, refused with reasons."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_centermask.core.errors import BadModel
from napari_centermask.models.nets.centermask import CenterMask
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import CARD_KEY, check_state, load_model, load_state, save_model
from napari_centermask.settings import ModelSettings

SMALL = {
    "backbone": "V-19-slim-dw-eSE",
    "fpn_channels": 32,
    "mask_channels": 16,
    "maskiou_channels": 16,
    "maskiou_fc": 16,
    "head_convs": 1,
}


def small(**changes):
    settings = ModelSettings(**(SMALL | changes))
    card = ModelCard(name="small", licence="BSD-3-Clause", model=settings, diameter=30.0)
    torch.manual_seed(0)
    return CenterMask(settings).eval(), card


@pytest.mark.parametrize("norm", ["BN", "FrozenBN"])
def test_full_precision_comes_back_bit_for_bit(tmp_path, norm):
    model, card = small(backbone_norm=norm)
    save_model(tmp_path / "a.safetensors", model, card, half=False)
    again, card_again = load_model(tmp_path / "a.safetensors")
    assert card_again == card
    before, after = model.state_dict(), again.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert not again.training


@torch.no_grad()
def test_half_precision_saves_space_and_answers_nearly_the_same(tmp_path):
    model, card = small()
    for half in (True, False):
        save_model(tmp_path / f"{half}.safetensors", model, card, half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (True, False)]
    assert sizes[0] < 0.55 * sizes[1]
    again, _ = load_model(tmp_path / "True.safetensors")
    x = torch.rand(1, 3, 160, 160)
    for ours, theirs in zip(again.dense(x)[1:], model.dense(x)[1:], strict=True):
        assert (ours - theirs).abs().max() < 5e-3 * theirs.abs().max()


def test_statistics_beyond_float16_survive_half_precision(tmp_path):
    model, card = small()
    key = "backbone.bottom_up.stem.stem_1/norm.running_var"
    model.state_dict()[key].fill_(1e6)
    save_model(tmp_path / "a.safetensors", model, card, half=True)
    assert torch.all(load_model(tmp_path / "a.safetensors")[0].state_dict()[key] == 1e6)


def test_a_failed_save_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    model, card = small()
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")

    def fail(_state, where, **_):
        with open(where, "wb") as file:
            file.write(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr("napari_centermask.models.store.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(path, model, card)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]
    assert path.read_bytes() == b"old"


def test_each_misfit_is_counted_and_named():
    model, _ = small()
    state = dict(model.state_dict())
    del state["backbone.fpn_lateral3.bias"]
    state["extra.weight"] = torch.zeros(1)
    state["roi_heads.mask_head.predictor.weight"] = torch.zeros(7, 16, 1, 1)
    with pytest.raises(BadModel) as caught:
        load_state(model, state, where="x.pth")
    message = str(caught.value)
    assert "1 missing: backbone.fpn_lateral3.bias" in message
    assert "1 unexpected: extra.weight" in message
    assert (
        "1 of another shape: roi_heads.mask_head.predictor.weight ((7, 16, 1, 1) instead of (1, 16, 1, 1))" in message
    )


def test_a_misfit_changes_no_weight():
    model, _ = small()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    other = {k: torch.full_like(v, 3) for k, v in before.items() if k != "backbone.fpn_lateral3.bias"}
    with pytest.raises(BadModel, match="1 missing"):
        load_state(model, other, where="x")
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_pixel_statistics_and_batch_counters_are_ignored():
    model, _ = small()
    state = dict(model.state_dict()) | {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)}
    state = {k: v for k, v in state.items() if "num_batches_tracked" not in k}
    load_state(model, state, where="x")


@pytest.mark.parametrize(
    "lie", [{"fpn_channels": 64}, {"backbone": "V-39-eSE"}, {"maskiou": False}, {"mask_channels": 1_000_000}]
)
def test_a_lying_card_is_refused_before_memory_is_taken(tmp_path, lie):
    model, card = small()
    save_model(tmp_path / "a.safetensors", model, card)
    false = card.model_copy(update={"model": card.model.model_copy(update=lie)})
    save_file(load_file(tmp_path / "a.safetensors"), tmp_path / "b.safetensors", metadata={CARD_KEY: false.to_json()})
    with pytest.raises(BadModel, match=r"b\.safetensors do not fit"):
        load_model(tmp_path / "b.safetensors")


def test_settings_that_make_no_network_are_refused():
    with pytest.raises(BadModel, match="do not describe a network"):
        check_state(ModelSettings(fpn_channels=40), {}, where="x")


def test_damaged_files_and_files_without_a_card_are_refused(tmp_path):
    model, card = small()
    path = tmp_path / "a.safetensors"
    save_model(path, model, card)
    save_file(load_file(path), tmp_path / "b.safetensors")
    with pytest.raises(BadModel, match="model card"):
        load_model(tmp_path / "b.safetensors")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadModel, match="cannot be read"):
        load_model(path)
    with pytest.raises(BadModel, match="cannot be read"):
        load_model(tmp_path / "absent.safetensors")
