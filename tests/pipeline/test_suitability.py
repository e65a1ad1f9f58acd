"""A model is compared with the image by its card, and another one is proposed by its card too."""

import pytest

from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline.suitability import better_start, proposed, proposed_for_most, suited, unsuited
from napari_centermask.settings import ModelSettings


def card(name, *kinds, categories=("cell",)):
    model = ModelSettings(categories=list(categories))
    return ModelCard(name=name, licence="CC0-1.0", model=model, diameter=40.0, training={"images": list(kinds)})


NUCLEI, TISSUE = card("nuclei", "fluorescence", categories=["nucleus"]), card("tissue", "stained")
CELLS, ASSAY = card("anything", "transmitted"), card("assay", "transmitted", categories=["living", "dead"])
ALL = {c.name: c for c in (ASSAY, CELLS, NUCLEI, TISSUE)}


def test_a_model_of_another_kind_of_images_is_named_with_the_reason():
    assert unsuited(NUCLEI, "transmitted", image="'a'") == (
        "'a' looks like transmitted light (phase contrast, bright field); 'nuclei' was trained on fluorescence."
    )
    assert unsuited(NUCLEI, "fluorescence") == ""
    assert "fluorescence" in suited(NUCLEI, "fluorescence")


@pytest.mark.parametrize(("used", "kind"), [(card("silent"), "transmitted"), (NUCLEI, None)])
def test_nothing_is_said_of_what_nobody_knows(used, kind):
    assert unsuited(used, kind) == suited(used, kind) == ""


def test_the_model_whose_card_lists_the_image_is_proposed_and_none_that_was_made_for_one_assay():
    assert proposed(NUCLEI, "transmitted", ALL) == "anything"
    assert proposed(CELLS, "fluorescence", ALL) == "nuclei"
    assert proposed(NUCLEI, "fluorescence", ALL) == ""
    assert proposed(NUCLEI, "transmitted", {"nuclei": NUCLEI, "assay": ASSAY}) == ""


def test_among_several_the_same_cells_come_first_then_the_usual_model():
    usual, small = card("nuclei", "stained", categories=["nucleus"]), card("a", "stained", categories=["nucleus"])
    flat, both = card("flat", "fluorescence", categories=["nucleus"]), {"a": small, "nuclei": usual}
    assert proposed(flat, "stained", {"tissue": TISSUE, **both}) == "nuclei"
    assert proposed(ASSAY, "stained", {"a": small, "tissue": TISSUE}) == "a"


def test_the_included_models_say_what_they_were_trained_on():
    assert find_model("nuclei").card.images == ("fluorescence", "stained")
    assert find_model("unet-nuclei").card.images == ("fluorescence",)
    assert find_model("live-dead").card.images == ("transmitted",)


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        ({"transmitted": 3}, "anything"),
        ({"transmitted": 3, "fluorescence": 1}, "anything"),
        ({"transmitted": 1, "fluorescence": 1}, "nuclei"),  # no other one is proposed for more
        ({}, "nuclei"),
    ],
)
def test_several_images_are_asked_together(kinds, name):
    assert proposed_for_most(NUCLEI, kinds, ALL) == name
    other, text = better_start(NUCLEI, kinds, ALL)
    assert other == ("" if name == "nuclei" else name)
    assert bool(text) == bool(other)


def test_a_better_model_to_start_from_is_named_with_the_reason():
    assert better_start(NUCLEI, {"transmitted": 3, "fluorescence": 1}, ALL)[1] == (
        "Most of the data looks like transmitted light (phase contrast, bright field); 'nuclei' was trained on fluorescence. "
        "'anything' was trained on such images."
    )
