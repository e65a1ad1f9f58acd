"""The form of a training is one settings object; a U-Net's losses stand in it where the model is a U-Net."""

import pytest

from napari_centermask.settings import LossSettings, ModelSettings, TrainSettings, UNetSettings
from napari_centermask.widgets.training.form import TrainForm

pytestmark = pytest.mark.gui


@pytest.fixture
def form(qtbot):
    made = TrainForm()
    qtbot.addWidget(made)
    return made


def settings_of(model, **changes):
    return TrainSettings(data=["data"], out="run", model=model, **changes)


def test_losses_are_shown_for_unets_alone(form):
    form.set_value(settings_of(ModelSettings()))
    assert not form.boxes["losses"].isVisibleTo(form)
    assert form.boxes["augment"].isVisibleTo(form)
    form.set_value(settings_of(UNetSettings()))
    assert form.boxes["losses"].isVisibleTo(form)


@pytest.mark.parametrize("model", [ModelSettings(backbone="V-39-eSE"), UNetSettings(width=24, attention="gate")])
def test_what_is_not_touched_comes_back(form, model):
    settings = settings_of(model, losses=LossSettings(focal=1.5, class_weights="balanced"), schedule="plateau")
    form.set_value(settings)
    assert form.changes() == {}
    assert form.value() == settings


def test_a_changed_loss_reaches_the_settings(form):
    form.set_value(settings_of(UNetSettings()))
    form.show_changes({"losses.boundary": 0.5, "losses.class_weights": "balanced", "schedule": "one-cycle"})
    value = form.value()
    assert value.losses == LossSettings(boundary=0.5, class_weights="balanced")
    assert value.schedule == "one-cycle"
    assert set(form.changes()) == {"losses.boundary", "losses.class_weights", "schedule"}
