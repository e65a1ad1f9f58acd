"""What a sweep reports of trials without an end, and of trials whose folders are gone."""

import csv
import shutil

import pytest

from napari_centermask.jobs.sweep.report import rows_of
from napari_centermask.jobs.sweep.run import run_sweep
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


@pytest.mark.parametrize("damage", ["gone", "damaged"])
@pytest.mark.usefixtures("trial")
def test_a_best_trial_whose_folder_is_lost_is_named_and_the_rest_is_written(plan, damage):
    checked, settings = plan(search={"learning_rate": [0.1, 0.2]}, trials=2, sampler="random", seed=1)
    rows = run_sweep(checked, settings, print)
    best = max(rows, key=lambda row: row.value)
    for name in ("trials.csv", "sweep.png"):
        (checked.out / name).unlink()
    shutil.rmtree(best.folder) if damage == "gone" else (best.folder / "run.json").write_text("{")
    said = []
    assert run_sweep(checked, settings, said.append) == rows
    sentence = next(text for text in said if "best.json" in text)
    assert f"run.json, is {damage}" in sentence
    assert f"take the values of trial {best.number} from trials.csv" in sentence
    assert (checked.out / "sweep.png").exists()
    with (checked.out / "trials.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 2
