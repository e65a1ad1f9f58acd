"""Every setting that a form shows has a title, a sentence and a range; names of settings become titles."""

import pytest

from napari_centermask.settings import (
    AugmentSettings,
    InstanceLossSettings,
    LossSettings,
    PreprocessSettings,
    RegionSettings,
    SegmentSettings,
    TrainSettings,
)
from napari_centermask.widgets.parts.field_text import about, in_titles, label_of, limits_of

KINDS = (
    SegmentSettings,
    TrainSettings,
    AugmentSettings,
    LossSettings,
    InstanceLossSettings,
    PreprocessSettings,
    RegionSettings,
)
GROUPS = {"model", "augment", "losses", "instance_losses", "preprocess", "regions"}
FIELDS = [(k, name) for k in KINDS for name in k.model_fields if name not in GROUPS]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_each_setting_has_a_title_and_a_sentence(kind, name):
    field = kind.model_fields[name]
    assert field.title
    assert field.title[0].isupper()
    assert "_" not in field.title
    assert field.description
    assert field.description.endswith((".", "..."))


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_each_number_has_a_range_unless_any_number_will_do(kind, name):
    field = kind.model_fields[name]
    is_number = field.annotation in (int, float, int | None, float | None, tuple[float, float])
    assert bool(limits_of(field)) == is_number or (kind, name) == (PreprocessSettings, "dark")


def test_titles_of_a_class_differ():
    for kind in KINDS:
        titles = [field.title for field in kind.model_fields.values() if field.title]
        assert len(titles) == len(set(titles))


def test_labels_have_units_and_tooltips_have_the_range_and_what_zero_means():
    fields = SegmentSettings.model_fields
    assert label_of(fields["tile"]) == "Tile side (px)"
    assert about(fields["tile"]).splitlines()[-1] == "Range: 128 to 4,096 px."
    assert about(fields["percentiles"]).splitlines()[-1] == "Range: 0 to 100 %, the smaller first."
    assert about(fields["max_detections"]).splitlines()[-2:] == ["Range: 1 or more.", "0: no limit."]
    assert limits_of(fields["foreground"]) == "above 0 to below 1"
    assert max(map(len, about(TrainSettings.model_fields["diameters"]).splitlines())) <= 64


def test_names_in_reasons_become_titles():
    assert in_titles("losses.focal is 0") == "'Focal loss' is 0"
    assert in_titles("find_rate searches it") == "'Find learning rate' searches it"
    assert in_titles("the model has one channel") == "the model has one channel"
    assert in_titles("model.border is off") == "model.border is off"
