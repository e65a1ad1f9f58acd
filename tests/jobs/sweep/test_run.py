"""A sweep finds the best values, ends trials early, loses nothing to a cancel or a kill, and reports what it found."""

import csv
import json

import pytest

from napari_centermask.core.errors import BadSettings, CannotSave, UserError
from napari_centermask.io.lock import lock_for_run
from napari_centermask.jobs.process import Job
from napari_centermask.jobs.sweep.report import as_text, best_of
from napari_centermask.jobs.sweep.run import run_sweep

pytest.importorskip("optuna", reason="the extra sweep is not installed")
pytestmark = pytest.mark.usefixtures("trial")


def silent(text):
    pass


def test_the_best_run_file_table_and_plot_are_written(plan):
    checked, settings = plan(search={"learning_rate": [0.1, 0.2], "augment.scale": [[0.5, 1.6], [0.8, 1.2]]}, trials=4)
    rows = run_sweep(checked, settings, silent)
    best = best_of(rows)
    assert [row.state for row in rows] == ["complete"] * 4
    assert best.value == pytest.approx(4 * best.values["learning_rate"]) == max(row.value for row in rows)
    written = json.loads((checked.out / "best.json").read_text())
    assert written["learning_rate"] == best.values["learning_rate"]
    assert written["augment"]["scale"] == best.values["augment.scale"]
    assert written["out"] == str(checked.out / "best")
    with (checked.out / "trials.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [float(line["AP"]) for line in table] == pytest.approx([row.value for row in rows])
    assert (checked.out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert as_text(rows, checked).splitlines()[1].split()[:2] == [str(best.number), "complete"]
    assert not list(checked.out.glob("trials/*/last.pt"))
    assert len(list(checked.out.glob("trials/*/best.safetensors"))) == 4


def test_a_trial_below_the_median_is_ended_early(plan, trial):
    trial(pace_s=0.3)
    checked, settings = plan(search={"learning_rate": [0.001, 0.2]}, trials=4, startup=1, sampler="random", seed=1)
    rows = run_sweep(checked, settings, silent)
    assert {row.state for row in rows if row.values["learning_rate"] == 0.2} == {"complete"}
    assert any(row.state == "pruned" for row in rows if row.values["learning_rate"] == 0.001)
    assert best_of(rows).values["learning_rate"] == 0.2


class Cancel:
    """Interrupts when a sentence begins so, as Ctrl-C does."""

    def __init__(self, start):
        self.start = start

    def __call__(self, text):
        if text.strip().startswith(self.start):
            raise KeyboardInterrupt


def test_a_cancel_loses_nothing(plan, trial):
    trial(hold_at=2)
    checked, settings = plan(trials=2)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(checked, settings, Cancel("evaluation 2"))
    assert not Job(checked.out / "trials" / "0001").is_alive
    with (checked.out / "trials.csv").open() as stream:
        (line,) = csv.DictReader(stream)
    assert line["state"] == "unfinished"
    trial()
    rows = run_sweep(checked, settings, silent)
    assert [row.state for row in rows] == ["complete", "complete"]
    assert [len(row.curve) for row in rows] == [4, 4]
    steps = [e.step for e in Job.open(checked.out / "trials" / "0001").events() if e.event == "evaluation"]
    assert steps == [1, 2, 3, 4]


def test_a_job_that_outlived_its_sweep_is_followed_further(plan, trial, monkeypatch):
    trial(hold_at=1)
    checked, settings = plan(trials=1)
    from napari_centermask.jobs.sweep import run

    left = []
    monkeypatch.setattr(run, "_save_and_end", left.append)  # as a sweep that was killed
    with pytest.raises(KeyboardInterrupt):
        run_sweep(checked, settings, Cancel("evaluation 1"))
    folder = checked.out / "trials" / "0001"
    (job,) = left
    assert job.is_alive
    started = json.loads((folder / "job.json").read_text())["pid"]
    job._process.returncode = 0  # as if this program had ended: Popen would warn of a child that still runs

    def say(text):
        if text.startswith("Trial 1"):
            (folder / "stop").touch()

    (row,) = run_sweep(checked, settings, say)
    assert json.loads((folder / "job.json").read_text())["pid"] == started
    assert row.curve == pytest.approx([row.values["learning_rate"]])


def test_a_failed_trial_does_not_end_the_sweep_and_three_in_a_row_do(plan):
    checked, settings = plan(search={"learning_rate": [0.1, 0.2, 0.95]}, trials=6, sampler="random", seed=2)
    rows = run_sweep(checked, settings, silent)
    failed = [row for row in rows if row.state == "failed"]
    assert 0 < len(failed) < 6
    assert failed[0].note == "The losses are not finite."
    checked, settings = plan(search={"learning_rate": [0.95, 0.96]}, out=str(checked.out / "other"), trials=6)
    with pytest.raises(UserError, match="3 trials failed in a row, the last one so: The losses"):
        run_sweep(checked, settings, silent)


def test_a_full_disk_ends_the_sweep_and_the_trial_is_tried_again(plan, trial):
    trial(reason="disk")
    checked, settings = plan(search={"learning_rate": [0.95, 0.96]}, trials=1)
    with pytest.raises(UserError, match="run the sweep again; it goes on with this trial"):
        run_sweep(checked, settings, silent)
    trial(reason="numbers")
    (row,) = run_sweep(checked, settings, silent)
    assert row.state == "failed"


def test_another_search_in_the_folder_and_a_second_sweep_are_refused(plan):
    checked, settings = plan(trials=1)
    run_sweep(checked, settings, silent)
    other, _ = plan(search={"learning_rate": [0.1, 0.3]})
    with pytest.raises(BadSettings, match="has a sweep with another `search`"):
        run_sweep(other, settings, silent)
    lock = lock_for_run(checked.out)
    with pytest.raises(CannotSave, match="Another run"):
        run_sweep(checked, settings, silent)
    lock.release()


def test_more_trials_may_be_asked_for_later_and_the_time_is_limited(plan):
    checked, settings = plan(trials=1)
    run_sweep(checked, settings, silent)
    more, _ = plan(trials=3)
    rows = run_sweep(more, settings, silent)
    assert len({row.values["learning_rate"] for row in rows}) == 3
    said = []
    limited, _ = plan(trials=50, minutes=1e-6)
    assert len(run_sweep(limited, settings, said.append)) == 3
    assert "The limit of 1e-06 minutes is over after 3 of 50 trials." in said


def test_without_optuna_the_remedy_is_named(plan, monkeypatch):
    import sys

    from napari_centermask.core.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "optuna", None)
    checked, settings = plan()
    with pytest.raises(MissingExtra, match=r"pip install 'napari-centermask\[.*sweep\]'"):
        run_sweep(checked, settings, silent)
