"""What would be sent passes the SDK's own schemas, without a network."""

import json
import math
import re

import pytest

from napari_centermask.cloud.entities import compute_of, data_assets, environment_of, job_of
from napari_centermask.cloud.pipeline import Release, pipeline_of
from napari_centermask.cloud.sizes import Estimate
from napari_centermask.cloud.staging import stage
from napari_centermask.cloud.sweep import check_sweep, sampling_of, sweep_of
from napari_centermask.core.errors import BadSettings
from napari_centermask.jobs.sweep.plan import SweepPlan

pytest.importorskip("azure.ai.ml", reason="the extra azure is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_job_environment_data_and_compute_pass_the_schemas_and_read_back(run, tmp_path):
    from azure.ai.ml import load_compute, load_data, load_environment, load_job

    staged = stage(run, tmp_path / "staged")
    assets = data_assets(staged, {"data_0": "My fields"})
    environment = environment_of(["torch==2.9.1"], "3.11", tmp_path)
    names = {"name": "mine-1", "compute": "gpus", "processes": 4}
    job = job_of(staged, assets, environment, limit=Estimate(2, 3.0, None), **names)
    assert job._validate().passed
    compute = compute_of("gpus", "Standard_NC64as_T4_v3", 2)
    written = {}
    entities = {"job": job._to_job(), "environment": environment, "data": assets["data_0"], "compute": compute}
    for kind, entity in entities.items():
        written[kind] = tmp_path / f"{kind}.yml"
        entity.dump(written[kind])
    back = load_job(written["job"])
    assert back.command == staged.command
    assert (back.resources.instance_count, back.distribution.process_count_per_instance) == (2, 4)
    assert back.limits.timeout == 3 * 3600
    assert set(re.findall(r"inputs\.(\w+)", back.command)) == set(back.inputs) == {"data_0"}
    assert load_environment(written["environment"]).version == environment.version
    assert load_data(written["data"]).name == "centermask-My-fields"
    assert load_compute(written["compute"]).min_instances == 0


def test_an_environment_has_the_version_of_its_content(tmp_path):
    one, same = (environment_of(["torch==2.9.1"], "3.11", tmp_path) for _ in range(2))
    other = environment_of(["torch==2.9.2"], "3.11", tmp_path)
    assert one.version == same.version != other.version
    assert json.loads((tmp_path / "environment.yml").read_text())["dependencies"][-1] == {"pip": ["torch==2.9.2"]}


def test_a_sweep_passes_the_schemas_and_its_flags_are_those_of_train(run, tmp_path):
    from azure.ai.ml import load_job

    search = {
        "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
        "clip": {"low": 1, "high": 10},
        "batch": {"low": 2, "high": 8, "step": 2},
        "augment.scale": [[0.5, 1.6], [0.8, 1.2]],
        "augment.flip": [True, False],
        "schedule": ["cosine", "one-cycle"],
    }
    plan = SweepPlan(run="run.json", out="sweep", search=search, trials=10)
    staged = stage(run, tmp_path / "staged")
    assets = data_assets(staged, {"data_0": "fields"})
    environment = environment_of(["torch==2.9.1"], "3.11", tmp_path)
    names = {"name": "mine-1", "compute": "gpus", "processes": 2}
    job = job_of(staged, assets, environment, limit=Estimate(2, 3.0, None), **names)
    sweep = sweep_of(job, plan, run, concurrent=4, hours=3.0)
    assert sweep._validate().passed
    sweep._to_job().dump(tmp_path / "sweep.yml")
    back = load_job(tmp_path / "sweep.yml")
    space = {name: vars(values) for name, values in back.search_space.items()}
    assert space["learning_rate"]["min_value"] == pytest.approx(math.log(1e-5))
    assert space["batch"]["values"] == [2, 4, 6, 8]
    assert space["augment__scale"]["values"] == ["0.5 1.6", "0.8 1.2"]
    assert (back.limits.max_total_trials, back.limits.max_concurrent_trials) == (10, 4)
    assert (back.limits.trial_timeout, back.limits.timeout) == (3 * 3600, 3 * 3 * 3600)
    assert (back.objective.primary_metric, back.objective.goal, back.sampling_algorithm) == (
        "val_AP",
        "maximize",
        "random",
    )
    assert (back.early_termination.type, back.trial.resources.instance_count) == ("median_stopping", 2)
    assert set(re.findall(r"search_space\.(\w+)", back.trial.command)) == set(back.search_space)
    drawn = {
        "learning_rate": "0.001",
        "clip": "2.5",
        "batch": "4",
        "augment__scale": "0.8 1.2",
        "augment__flip": "false",
    }
    drawn |= {"schedule": "one-cycle"}
    flags = back.trial.command.split("--out outputs/mine ")[1]
    trained = _train_settings(re.sub(r"\$\{\{search_space\.(\w+)\}\}", lambda found: drawn[found[1]], flags).split())
    assert (trained.learning_rate, trained.clip, trained.batch, trained.schedule) == (1e-3, 2.5, 4, "one-cycle")
    assert (trained.augment.scale, trained.augment.flip) == ((0.8, 1.2), False)


def _train_settings(flags):
    """The settings that the command line makes of flags."""
    from typing import Annotated

    from cyclopts import App, Parameter

    from napari_centermask.settings import TrainSettings

    app = App(result_action="return_value", default_parameter=Parameter(consume_multiple=True, negative_iterable=()))
    app.default(_keep)
    _keep.__annotations__["settings"] = Annotated[TrainSettings, Parameter(name="*")]
    return app(["--data", "d", "--out", "o", *flags], exit_on_error=False)


def _keep(*, settings):
    return settings


@pytest.mark.parametrize(
    ("search", "more", "message"),
    [
        ({"learning_rate": [0.1, 0.2]}, {"is_scaled": True}, "--scale-batch would change.*learning_rate"),
        ({"batch": [2, 8]}, {"processes": 4}, "4 processes need as many tiles per step; `search` has 2"),
        ({"augment.dim_light": [[0.1, 0.5], None]}, {}, "cannot be None on Azure"),
        ({"start": ["nuclei", "a model; rm x"]}, {}, "cannot be 'a model; rm x' on Azure"),
    ],
)
def test_what_azure_cannot_search_is_refused_before_anything_is_sent(run, search, more, message):
    plan = SweepPlan(run="run.json", out="sweep", search=search)
    with pytest.raises(BadSettings, match=message):
        check_sweep(plan, run, **{"processes": 1, "is_scaled": False} | more)


def test_bayesian_sampling_is_used_where_azure_allows_it():
    plain = {"run": "run.json", "out": "sweep", "search": {"clip": {"low": 1, "high": 10}}}
    assert sampling_of(SweepPlan(**plain)) == "random"
    assert sampling_of(SweepPlan(**plain, prune=False)) == "bayesian"
    assert sampling_of(SweepPlan(**plain, prune=False, sampler="random")) == "random"


def test_a_pipeline_passes_the_schemas_and_each_step_gets_what_it_reads(run, tmp_path):
    from azure.ai.ml import load_job

    staged = stage(run, tmp_path / "staged")
    assets = data_assets(staged, {"data_0": "fields"})
    environment = environment_of(["torch==2.9.1"], "3.11", tmp_path)
    names = {"name": "mine-1", "compute": "gpus", "processes": 2, "release": Release("mine", "cells", instances=2)}
    job = pipeline_of(staged, assets, environment, limit=Estimate(2, 3.0, None), **names)
    assert job._validate().passed
    job.dump(tmp_path / "pipeline.yml")
    back = load_job(tmp_path / "pipeline.yml")
    assert back._validate().passed
    steps = {name: step.component for name, step in back.jobs.items()}
    assert steps.keys() == {"trained", "judged", "release"}
    for component in steps.values():
        assert set(re.findall(r"inputs\.(\w+)", component.command)) <= component.inputs.keys()
        assert set(re.findall(r"outputs\.(\w+)", component.command)) == component.outputs.keys()
    assert "--register mine" in steps["release"].command
    assert "--endpoint cells --size Standard_DS3_v2 --instances 2" in steps["release"].command
    assert back.jobs["trained"].resources.instance_count == 2
