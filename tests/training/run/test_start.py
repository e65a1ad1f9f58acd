"""What a run begins with: the start model's network, with other categories where these are asked for."""

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.settings import ModelSettings, TrainSettings, UNetSettings
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.run.defaults import suggest
from napari_centermask.training.run.start import make_start
from napari_centermask.training.run.trainer import Trainer


@pytest.fixture(params=["centermask", "unet"])
def parent(request, tiny, tmp_path):
    """File of a model of two categories, of either family."""
    two = {"categories": ["living", "dead"]}
    unet = UNetSettings(in_channels=1, width=4, depth=3, **two)
    form = unet if request.param == "unet" else tiny.model_copy(update=two)
    path = tmp_path / "parent.safetensors"
    save_model(path, build_model(form), ModelCard(name="parent", licence="CC0-1.0", model=form, diameter=28.0))
    return path


def card_of(path):
    return make_start(TrainSettings(data=["d"], out="o", start=str(path))).card


def test_a_model_of_two_categories_is_trained_further_for_one_other_as_suggested(parent, folder, tmp_path):
    settings = suggest(folder, tmp_path / "run", card=card_of(parent), start=str(parent), replay=[]).settings
    assert settings.model.categories == ["cell"]
    read_again = TrainSettings.model_validate_json(settings.model_dump_json())
    trainer = Trainer(read_again)
    assert trainer.settings.model.categories == ["cell"]
    check_data(trainer.settings)


def test_the_only_category_of_a_start_model_is_called_as_in_the_data_and_its_weights_stay(folder, tiny, tmp_path):
    path, form = tmp_path / "nuclei.safetensors", tiny.model_copy(update={"categories": ["nucleus"]})
    save_model(path, build_model(form), ModelCard(name="old", licence="CC0-1.0", model=form, diameter=28.0))
    settings = suggest(folder, tmp_path / "run", card=card_of(path), start=str(path), replay=[]).settings
    read_again = TrainSettings.model_validate_json(settings.model_dump_json())
    trainer = Trainer(read_again)
    assert trainer.settings.model.categories == ["cell"]
    before = make_start(TrainSettings(data=["d"], out="o", start=str(path))).model
    assert before.settings.categories == ["nucleus"]
    assert all(value.equal(trainer.model.state_dict()[key].cpu()) for key, value in before.state_dict().items())


def test_a_run_that_names_no_network_keeps_the_categories_of_the_start_model(parent):
    values = {"data": ["d"], "out": "o", "start": str(parent)}
    assert make_start(TrainSettings(**values)).model.settings.categories == ["living", "dead"]
    if card_of(parent).kind == "unet":
        return
    default = TrainSettings(**values, model=ModelSettings())
    assert make_start(default).model.settings.categories == ["living", "dead"]


def test_a_new_network_begins_with_the_weights_of_another_where_they_fit(tiny, tmp_path):
    places = {"0123456789abcdef": [[0, 0, 8, 8]]}
    card = ModelCard(name="old", licence="CC0-1.0", model=tiny, diameter=40.0, training={"learned": places})
    path, old = tmp_path / "old.safetensors", build_model(tiny)
    save_model(path, old, card)
    form = tiny.model_copy(update={"first_level": 2, "mask_channels": 48})
    start = make_start(TrainSettings(data=["d"], out="o", model=form, pretrained=str(path)))
    new, before = start.model.state_dict(), old.state_dict()
    stem = "backbone.bottom_up.stem.stem_1/conv.weight"
    assert new[stem].allclose(before[stem].half().float())
    assert new["roi_heads.mask_head.mask_fcn1.weight"].shape[0] == 48
    assert start.model.settings == form
    assert (start.parent, start.card, start.trained_on) == (None, None, places)


def test_a_network_without_common_layers_cannot_be_a_start(tiny, tmp_path):
    path = tmp_path / "unet.safetensors"
    form = UNetSettings(in_channels=1, width=4, depth=3)
    save_model(path, build_model(form), ModelCard(name="unet", licence="CC0-1.0", model=form, diameter=28.0))
    with pytest.raises(BadSettings, match="has no layers in common"):
        make_start(TrainSettings(data=["d"], out="o", model=tiny, pretrained=str(path)))
