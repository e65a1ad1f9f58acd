"""Channels are found by their names."""

import numpy as np
import pytest
from seen import NAMES, read

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.pipeline.channels import default_channels, missing_channels
from napari_centermask.settings import SegmentSettings


def test_swapping_names_and_order_together_changes_nothing(fake, image):
    card = fake.card(channels=3, channel_names=NAMES)
    expected = read(image, card)
    np.testing.assert_array_equal(read(image, card, channel_names=NAMES), expected)
    swapped = read(image[[2, 0, 1]], card, channel_names=["Membrane ", "NUCLEUS", "cytoplasm"])
    np.testing.assert_array_equal(swapped, expected)
    more = np.concatenate([image[:1] // 2, image[[1, 0, 2]]])
    names = ["debris", "cytoplasm", "nucleus", "membrane"]
    np.testing.assert_array_equal(read(more, card, channel_names=names), expected)
    part = read(more, card, channel_names=names, channels=[1, 2, 3])
    np.testing.assert_array_equal(part, expected)


def test_names_mean_nothing_to_a_model_without(fake, image):
    card = fake.card(channels=3)
    np.testing.assert_array_equal(read(image, card, channel_names=["c", "b", "a"]), read(image, card))
    one = fake.card(channels=1, channel_names=["nucleus"])
    np.testing.assert_array_equal(read(image[:1], one, channel_names=["DAPI"]), read(image[:1], one))


def test_a_missing_channel_is_empty_where_the_model_knows_that(fake, image):
    card = fake.card(channels=3, channel_names=NAMES, bears_missing=True)
    settings = {"channel_names": ["membrane", "nucleus"]}
    tile = read(image[[2, 0]], card, **settings)
    expected = read(image, card)
    expected[:, 1] = 0
    np.testing.assert_array_equal(tile, expected)
    assert missing_channels(2, card, SegmentSettings(**settings)) == ["cytoplasm"]
    assert missing_channels(3, card, SegmentSettings()) == []


@pytest.mark.parametrize(
    ("kind", "n", "settings", "words"),
    [
        (BadImage, 2, {"channel_names": ["membrane", "nucleus"]}, "cytoplasm is missing.*drop_channel"),
        (
            BadImage,
            3,
            {"channel_names": ["DAPI", "GFP", "WGA"]},
            "nucleus, cytoplasm, membrane, but the image has DAPI",
        ),
        (BadImage, 2, {}, "the image's channels have no names.*--channel-names nucleus cytoplasm membrane"),
        (BadImage, 1, {}, "the image's channels have no names"),
        (BadSettings, 3, {"channel_names": ["nucleus"]}, "The image has 3 channels, but there are 1 names"),
        (BadSettings, 3, {"channel_names": ["a", "A ", "b"]}, "Channel names must differ"),
        (BadImage, 3, {"channels": [0, 7]}, "between 0 and 2"),
    ],
)
def test_channels_that_do_not_fit_are_named_with_the_remedy(fake, image, kind, n, settings, words):
    with pytest.raises(kind, match=words):
        read(image[:n], fake.card(channels=3, channel_names=NAMES), **settings)


@pytest.mark.parametrize(
    ("names", "in_channels", "expected"),
    [
        (["DAPI", "GFP", "mCherry"], 3, [0]),
        (["GFP", "Hoechst 33342"], 1, [1]),
        (["GFP", "H2B-mCherry", "WGA"], 3, [1]),
        (["DAPI", "H2B-GFP", "WGA"], 3, None),  # two candidates
        (["Red", "Green", "Blue"], 3, None),
        (["Channel 0", "Channel 1"], 3, [0]),
        (["Grey"], 3, None),
        (["spinal cord", "topic", "epi"], 3, None),
    ],
    ids=str,
)
def test_a_model_of_nuclei_is_offered_the_channel_that_shows_them(fake, names, in_channels, expected):
    card = fake.card(channels=in_channels, categories=["nucleus"])
    assert default_channels(names, card) == expected


def test_a_fine_tuned_model_and_one_of_other_cells_get_all_channels(fake):
    names = ["DAPI", "GFP", "mCherry"]
    assert default_channels(names, fake.card(channels=3, categories=["nucleus"], parent="nuclei")) is None
    assert default_channels(names, fake.card(channels=3, categories=["cell"])) is None


def test_channels_with_names_are_chosen_the_same_way_without_a_dock(fake, image):
    card = fake.card(channels=3, categories=["nucleus"])
    names = ["GFP", "DAPI", "WGA"]
    expected = read(image[1:2], card)
    np.testing.assert_array_equal(read(image, card, channel_names=names), expected)
    everything = read(image, card)
    assert not np.array_equal(everything, expected)
    np.testing.assert_array_equal(read(image, card, channel_names=names, channels=[0, 1, 2]), everything)
