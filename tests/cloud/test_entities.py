"""What would be sent passes the SDK's own schemas, without a network."""

import json
import re

import pytest

from napari_centermask.cloud.entities import compute_of, data_assets, environment_of, job_of
from napari_centermask.cloud.sizes import Estimate
from napari_centermask.cloud.staging import stage

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
