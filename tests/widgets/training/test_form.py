"""The form of a training is one settings object; a U-Net's losses stand in it where the model is a U-Net."""

from __future__ import annotations

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
    assert not form.groups["losses"].isVisibleTo(form)
    assert form.groups["augment"].isVisibleTo(form)
    form.set_value(settings_of(UNetSettings()))
    assert form.groups["losses"].isVisibleTo(form)


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


def test_a_field_without_effect_is_disabled_with_the_reason_and_not_sent(form):
    form.set_value(settings_of(UNetSettings(categories=["living", "dead"])))
    gamma, rate = form.groups["losses"].rows["focal_gamma"], form.training.rows["learning_rate"]
    assert not gamma.control.enabled
    assert gamma.control.tooltip == "No effect: 'Focal loss' is 0."
    assert rate.control.enabled
    form.groups["losses"].rows["focal"].control.value = 1.0
    form.training.rows["find_rate"].control.value = True
    assert gamma.control.enabled
    assert not rate.control.enabled
    rate.control.value = 0.5
    assert set(form.changes()) == {"losses.focal", "find_rate"}


def test_what_needs_a_start_model_is_disabled_without_one(form):
    form.set_value(settings_of(ModelSettings()))
    assert not form.training.rows["keep"].control.enabled
    form.set_value(settings_of(ModelSettings(), start="nuclei"))
    assert form.training.rows["keep"].control.enabled


def test_every_setting_that_no_other_control_has_is_shown_once_the_usual_five_first(form):
    elsewhere = {"data", "out", "start", "model", "augment", "resume", "weights", "replay"}
    elsewhere |= {"unlabelled", "unlabelled_part", "unlabelled_score"}  # on the command line only
    of_the_model = {"channel_names", "preprocess", "normalisation", "losses", "instance_losses", "regions"}
    assert set(form.training.rows) == set(TrainSettings.model_fields) - elsewhere - of_the_model
    for name, group in form.groups.items():
        assert set(group.rows) == set(TrainSettings.model_fields[name].annotation.model_fields)
    folded = list(form.training.folds.values())
    unfolded = [
        name for name, row in form.training.rows.items() if not any(f.isAncestorOf(row.control.native) for f in folded)
    ]
    assert unfolded == ["minutes", "steps", "batch", "tile", "learning_rate"]
