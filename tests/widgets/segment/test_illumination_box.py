"""What is chosen against uneven light, and what the model brings."""

import numpy as np

from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings, PreprocessSettings, SegmentSettings

NAMES = ["nucleus", "membrane"]


def test_a_model_brings_its_own_correction_and_the_flat_field_stays(dock, tmp_path):
    box = dock.illumination.box
    flat = tmp_path / "flat.tif"
    box.set_flat_field(flat)
    how = PreprocessSettings(background="rolling_ball", denoise="gaussian", denoise_size=2.0)
    card = ModelCard(name="x", licence="CC0-1.0", model=ModelSettings(), diameter=20, preprocess=how)
    dock.illumination.show_model(card)
    assert box.value() == how.model_copy(update={"flat_field": flat})


def test_names_are_asked_where_the_model_has_some_and_filled_from_the_image(viewer, dock, uneven):
    box = dock.illumination.box
    image = np.stack([uneven] * 2)
    viewer.add_image(image, name="a", axis_labels=("c", "y", "x"), metadata={"channel_names": ["membrane", "nucleus"]})
    assert dock.value().channel_names is None
    model = ModelSettings(in_channels=2)
    dock.illumination.show_model(ModelCard(name="x", licence="C", model=model, diameter=20, channel_names=NAMES))
    assert dock.value().channel_names == ["membrane", "nucleus"]
    assert [action.text() for action in dock.image.channels.menu().actions()] == ["membrane", "nucleus"]
    box.names.setText(" nucleus ,membrane")
    assert dock.value().channel_names == NAMES


def test_settings_without_a_change_leave_a_run_as_it_was(dock):
    assert dock.value().preprocess == SegmentSettings().preprocess
