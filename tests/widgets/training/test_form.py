"""The form of a training is one settings object; a U-Net's losses stand in it where the model is a U-Net."""

from __future__ import annotations

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.settings import LossSettings, MaskRCNNSettings, ModelSettings, TrainSettings, UNetSettings
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


def rcnn(**changes):
    return MaskRCNNSettings(in_channels=1, **changes)


def test_the_form_of_a_new_mask_rcnn_is_shown_with_its_losses_and_sampling_and_of_no_other(form):
    network, regions = form.networks["maskrcnn"], form.groups["regions"]
    for model in (ModelSettings(), UNetSettings()):
        form.set_value(settings_of(model))
        assert not network.isVisibleTo(form)
        assert not regions.isVisibleTo(form)
    form.set_value(settings_of(rcnn()))
    assert network.isVisibleTo(form)
    assert regions.isVisibleTo(form)
    assert {"anchor_sizes", "anchor_ratios", "box_size", "roi_size"} <= set(network.rows)
    form.set_value(settings_of(rcnn(), start="mine"))
    assert not network.isVisibleTo(form)
    assert regions.isVisibleTo(form)


def test_a_changed_network_reaches_the_settings_and_the_rest_stays(form):
    settings = settings_of(rcnn(anchor_sizes=[15.5, 30, 60, 120, 240], box_fc=64))
    form.set_value(settings)
    assert form.changes() == {}
    assert form.value() == settings
    rows = form.networks["maskrcnn"].rows
    assert rows["anchor_sizes"].control.value == "15.5 30 60 120 240"
    rows["anchor_sizes"].control.value = "8, 16, 32 64 128"
    rows["roi_size"].control.value = 20
    form.groups["regions"].rows["regions"].control.value = 128
    assert set(form.changes()) == {"model.anchor_sizes", "model.roi_size", "regions.regions"}
    value = form.value()
    assert value.model == rcnn(anchor_sizes=[8, 16, 32, 64, 128], roi_size=20, box_fc=64)
    assert value.regions.regions == 128


def test_newly_computed_settings_keep_what_was_changed_in_the_form_of_the_same_network(form):
    form.set_value(settings_of(rcnn()))
    form.networks["maskrcnn"].rows["roi_size"].control.value = 20
    form.training.rows["batch"].control.value = 3
    form.follow(settings_of(rcnn(), steps=40))
    assert (form.value().model.roi_size, form.value().batch, form.value().steps) == (20, 3, 40)
    form.follow(settings_of(ModelSettings()))
    assert form.changes() == {"batch": 3}
    assert form.value().model == ModelSettings()
    form.follow(settings_of(rcnn(), start="mine"))
    assert form.value().model == rcnn()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("16 32 64", "'Anchor sizes': expected 5 sizes, one for each level of the pyramid"),
        ("16 32 64 128 wide", "'Anchor sizes': .*unable to parse"),
        ("256 128 64 32 16", "expected sizes that increase"),
        ("128 256 512 1024 2048", "at most 0.10 .*Suitable for cells of 40 pixels: 16 32 64 128 256"),
    ],
)
def test_anchors_that_do_not_fit_are_refused_by_the_form(form, sizes, message):
    form.set_value(settings_of(rcnn()))
    form.networks["maskrcnn"].rows["anchor_sizes"].control.value = sizes
    with pytest.raises(BadSettings, match=message):
        form.value()
