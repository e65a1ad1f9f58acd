"""A trial without an end has the figure of the model that it kept, not of the best evaluation."""

import pytest

from napari_centermask.jobs.sweep.report import rows_of
from napari_centermask.jobs.sweep.study import ask, open_study

pytest.importorskip("optuna", reason="the extra sweep is not installed")


def test_an_unfinished_trial_has_the_value_of_the_model_that_it_kept(plan):
    checked, settings = plan(search={"learning_rate": [0.1, 0.2]})
    checked.out.mkdir(exist_ok=True)
    study = open_study(checked)
    trial = ask(study, checked, settings)
    for step, value in enumerate((0.5, 0.4), start=1):
        trial.report(value, step)
    assert rows_of(study, checked)[0].value == 0.4
