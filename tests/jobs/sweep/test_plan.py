"""A plan names settings that can be searched, or the message says which one cannot, and why."""

import json

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.sweep.plan import Range, read_plan, value_of, with_values


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"bacth": [1, 2]}, "There is no setting 'bacth'"),
        ({"augment.noise.x": [1, 2]}, "'augment.noise.x' cannot be 1"),
        ({"batch": {"low": 2.5, "high": 8}}, "'batch' cannot be 2.5: .*whole|fractional"),
        ({"batch": {"low": 2, "high": 8, "step": 1.5}}, "takes whole numbers"),
        ({"tile": {"low": 128, "high": 256}}, "'tile' cannot be 129.*multiple of 32"),
        ({"batch": [2, 2]}, "at least two different values"),
        ({"batch": [2]}, "at least two different values"),
        ({"losses.dice": [0.0, 1.0]}, "'losses.dice' has no effect: the model is a CenterMask"),
        ({"schedule": ["cosine", "x"]}, "'schedule' cannot be 'x'"),
        ({"augment.flip": {"low": 0, "high": 1}}, "'augment.flip' is not a number and has no range"),
        ({"out": ["a", "b"]}, "'out' is the same in all trials"),
        ({"learning_rate": {"low": 2, "high": 1}}, "search.learning_rate: .*low must be less than high"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}}, "begins above 0"),
        ({}, "search"),
    ],
)
def test_a_setting_that_cannot_be_searched_is_named_with_the_reason(plan, search, message):
    with pytest.raises(BadSettings, match=message):
        plan(search=search)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metric": "AP_known"}, "no AP_known"),
        ({"metric": "category_AP50"}, "no category_AP50"),
        ({"metric": "accuracy"}, "metric: "),
        ({"trials": 0}, "trials: "),
        ({"run": "missing.json"}, "run file missing.json does not exist"),
    ],
)
def test_other_faults_are_named_too(plan, values, message):
    with pytest.raises(BadSettings, match=message):
        plan(**values)


def test_a_missing_or_damaged_plan_says_so(tmp_path):
    with pytest.raises(BadSettings, match="does not exist"):
        read_plan(tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(BadSettings, match="is not a plan of a sweep"):
        read_plan(tmp_path / "plan.json")


def test_values_reach_groups_and_whole_objects(plan):
    checked, settings = plan(search={"augment.scale": [[0.5, 1.6], [0.8, 1.2]], "batch": {"low": 2, "high": 8}})
    changed = with_values(settings, {"augment.scale": [0.8, 1.2], "batch": 4})
    assert (value_of(changed, "augment.scale"), changed.batch) == ((0.8, 1.2), 4)
    assert checked.search["batch"] == Range(low=2, high=8)
    assert json.loads(checked.model_dump_json())["search"]["augment.scale"] == [[0.5, 1.6], [0.8, 1.2]]


def test_a_home_folder_is_meant_by_a_tilde(plan, tmp_path, monkeypatch):
    plan(search={"learning_rate": [0.1, 0.2]})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = tmp_path / "home.json"
    path.write_text(json.dumps({"run": "~/run.json", "out": "~/sweep", "search": {"learning_rate": [0.1, 0.2]}}))
    checked, _ = read_plan(path)
    assert (checked.run, checked.out) == (tmp_path / "run.json", tmp_path / "sweep")


def test_a_folder_instead_of_a_plan_is_named(tmp_path):
    with pytest.raises(BadSettings, match="cannot be read: .*Choose a JSON file"):
        read_plan(tmp_path)
