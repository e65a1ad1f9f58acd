"""A card describes its weights; one that does not match them is refused."""

import json

import pytest

from napari_centermask.core.errors import BadModel
from napari_centermask.models.families import family_of
from napari_centermask.models.store.card import ModelCard, check_shapes
from napari_centermask.settings import ModelSettings, PreprocessSettings, UNetSettings

LITE = {"backbone_norm": "FrozenBN", "categories": [f"c{i}" for i in range(80)]}
FULL = LITE | {
    "fpn_channels": 256,
    "head_convs": 4,
    "mask_convs": 4,
    "mask_channels": 256,
    "maskiou_convs": 4,
    "maskiou_channels": 256,
}
CONFIGS = {
    "centermask_lite_V_19_slim_dw_eSE": LITE | {"backbone": "V-19-slim-dw-eSE"},
    "centermask_lite_V_19_slim_eSE": LITE | {"backbone": "V-19-slim-eSE"},
    "centermask_lite_V_19_eSE": LITE | {"backbone": "V-19-eSE"},
    "centermask_lite_V_39_eSE": LITE | {"backbone": "V-39-eSE"},
    "centermask_lite_Mv2": LITE | {"backbone": "MobileNetV2"},
    "centermask_V_57_eSE": FULL | {"backbone": "V-57-eSE"},
    "centermask_V_99_eSE": FULL | {"backbone": "V-99-eSE"},
    "centermask_R_50": FULL | {"backbone": "R-50"},
    "centermask_R_101": FULL | {"backbone": "R-101"},
}


def make_card(**changes) -> ModelCard:
    fields = {"name": "nuclei", "licence": "BSD-3-Clause", "model": ModelSettings(), "diameter": 40.0}
    return ModelCard(**(fields | changes))


def test_a_card_survives_json():
    card = make_card(metrics={"dsb2018": {"AP": 0.5}}, limits=["no tissue"], parent="other")
    assert ModelCard.from_json(card.to_json()) == card


def test_a_card_from_before_inputs_had_names_says_that_images_stay_as_they_are():
    fields = json.loads(make_card().to_json())
    for name in ("channel_names", "preprocess"):
        del fields[name]
    card = ModelCard.from_json(json.dumps(fields))
    assert (card.channel_names, card.preprocess, card.normalisation) == ([], PreprocessSettings(), "percentile")
    assert not card.bears_missing


def test_a_card_with_named_channels_survives_json():
    how = PreprocessSettings(background="rolling_ball", denoise="median")
    training = {"settings": {"augment": {"drop_channel": 0.2}}}
    inputs = {"channel_names": ["a", "b", "c"], "preprocess": how, "normalisation": "zscore"}
    card = make_card(training=training, **inputs)
    assert ModelCard.from_json(card.to_json()) == card
    assert card.bears_missing


@pytest.mark.parametrize("places", [None, 3, "all", ["a"], {"a": 3, "b": [1, [0, 0, 2], [0, 0, "x", 9]]}])
def test_invalid_places_in_a_card_are_left_out(places):
    card = ModelCard(name="a", licence="CC0-1.0", model=ModelSettings(), diameter=30.0, training={"learned": places})
    assert not any(card.trained_on.values())


def test_a_card_keeps_the_places_that_its_model_was_trained_on():
    places = {"0123456789abcdef": [(0, 0, 64, 80)]}
    card = ModelCard(name="a", licence="CC0-1.0", model=ModelSettings(), diameter=30.0, training={"learned": places})
    assert ModelCard.from_json(card.to_json()).trained_on == {"0123456789abcdef": [[0, 0, 64, 80]]}


def test_a_card_says_how_large_the_cells_were_that_its_model_was_trained_on():
    sizes = {"nucleus": [9.1, 20, 35.5], "a": [3, 2, 1], "b": [1, 2], "c": ["1", 2, 3], "d": None, "e": [0, 1, 2]}
    card = make_card(training={"diameters": sizes})
    assert ModelCard.from_json(card.to_json()).diameters == {"nucleus": (9.1, 20, 35.5)}
    assert make_card().diameters == make_card(training={"diameters": [1, 2, 3]}).diameters == {}


def test_strides_follow_the_top_levels():
    assert make_card().strides == (8, 16, 32, 64, 128)
    assert make_card(model=ModelSettings(top_levels=0)).strides == (8, 16, 32)
    assert make_card(model=ModelSettings(top_levels=0, first_level=2)).strides == (4, 8, 16, 32)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"diameter": -1}, "diameter"),
        ({"diameter": "NaN"}, "diameter"),
        ({"percentiles": [90, 10]}, "percentiles"),
        ({"std": [0.0]}, "std"),
        ({"mean": [0.0, 1.0]}, "mean"),
        ({"kind": "pickle"}, "kind"),
        ({"surprise": 1}, "surprise"),
        ({"licence": None}, "licence"),
        ({"model": {"backbone": "V-20"}}, "backbone"),
        ({"model": {"in_channels": 10**9}}, "in_channels"),
        ({"channel_names": ["nucleus"]}, "channel_names needs 3 names, got 1: nucleus"),
        ({"channel_names": ["a", "b", "A "]}, "channel_names must differ"),
        ({"preprocess": {"background": "magic"}}, "preprocess.background"),
        ({"preprocess": {"flat_field": "flat.tif"}}, "flat_field belongs to a microscope"),
    ],
)
def test_a_wrong_field_is_named(change, named):
    text = json.dumps(json.loads(make_card().to_json()) | change)
    with pytest.raises(BadModel, match=named):
        ModelCard.from_json(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"name": "a"}'])
def test_a_text_that_is_not_a_card_is_refused(text):
    with pytest.raises(BadModel, match="model card"):
        ModelCard.from_json(text)


@pytest.mark.parametrize("config", CONFIGS)
def test_shapes_of_the_reference_fit_their_settings(shared, config):
    keys = json.loads((shared / "goldens" / "keys" / f"{config}.json").read_text())["state_dict"]
    shapes = {k["key"]: tuple(k["shape"]) for k in keys}
    check_shapes(make_card(model=ModelSettings(**CONFIGS[config])), shapes, where=config)


@pytest.mark.parametrize(
    "lie",
    [
        {"categories": ["a", "b"]},
        {"in_channels": 1},
        {"fpn_channels": 256},
        {"head_convs": 3},
        {"head_convs": 1},
        {"head_norm": "none"},
        {"mask_convs": 1},
        {"maskiou": False},
        {"maskiou_fc": 512},
        {"top_levels": 1},
        {"first_level": 2},
        {"roi_size": 12},
        {"backbone": "V-39-eSE"},
    ],
)
def test_a_card_that_lies_about_shapes_is_refused(lie):
    shapes = family_of(ModelSettings()).shapes(ModelSettings()) | {
        "backbone.bottom_up.stem.stem_1/conv.weight": (64, 3, 3, 3)
    }
    check_shapes(make_card(), shapes, where="nuclei.safetensors")
    with pytest.raises(BadModel, match=r"does not describe its weights"):
        check_shapes(make_card(model=ModelSettings(**lie)), shapes, where="nuclei.safetensors")


def test_a_card_from_before_there_were_families_holds_a_centermask():
    card = make_card()
    old = json.loads(card.to_json())
    del old["model"]["family"]
    assert ModelCard.from_json(json.dumps(old)) == card


def test_the_kind_follows_the_network():
    card = make_card(model=UNetSettings(width=8))
    assert card.kind == "unet"
    assert ModelCard.from_json(card.to_json()) == card
    lie = json.loads(card.to_json()) | {"kind": "centermask"}
    with pytest.raises(BadModel, match="kind is centermask, the network a unet"):
        ModelCard.from_json(json.dumps(lie))


def test_a_card_that_lies_about_a_unet_is_refused():
    card = make_card(model=UNetSettings(width=8, depth=2, in_channels=2))
    shapes = family_of(card.model).shapes(card.model)
    check_shapes(card, shapes, where="it")
    for change in ({"width": 16}, {"depth": 3}, {"depth": 1}, {"in_channels": 3}, {"border": False}):
        lie = make_card(model=card.model.model_copy(update=change))
        with pytest.raises(BadModel, match="does not describe its weights"):
            check_shapes(lie, shapes, where="it")
