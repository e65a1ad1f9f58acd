"""A deployment takes over when it has proved itself, and is withdrawn when anything fails; through Azure's own SDK."""

import base64
import json
from pathlib import Path

import pytest

from napari_centermask.cloud.endpoint_entities import deployment_of, endpoint_of, stage_model
from napari_centermask.cloud.endpoints import Deployment, Endpoints, deploy, finish, roll_back
from napari_centermask.cloud.errors import CloudError
from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.models.store.zoo import find_model

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("service")]
IMAGE = Path(__file__).parents[2] / "resources" / "samples" / "nuclei_fluorescence_small.png"
THREE = (200, {"images": [], "annotations": [{}, {}, {}], "categories": []})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("napari_centermask.cloud.endpoint_entities.pinned", lambda extras: ["numpy==2.4.6"])
    pytest.importorskip("azure.ai.ml", reason="the extra azure is not installed")
    monkeypatch.setattr("azure.ai.ml.constants._common.LROConfigurations.POLL_INTERVAL", 0)


@pytest.fixture
def plan():
    return Deployment("cells", find_model("nuclei"), IMAGE)


@pytest.fixture
def endpoints(jobs, service):
    service.answers = [THREE]
    return Endpoints(jobs)


def silent(text):
    pass


def test_the_first_deployment_serves_all_requests_after_it_was_tried(plan, endpoints, service):
    assert deploy(plan, endpoints, silent, expected=3) == "blue"
    assert endpoints.traffic("cells") == {"blue": 100}
    (deployed,) = [body for path, body in service.resources.items() if path.endswith("/deployments/blue")]
    sent = deployed["properties"]
    assert (sent["instanceType"], deployed["sku"]["capacity"]) == ("Standard_DS3_v2", 1)
    assert sent["codeConfiguration"]["scoringScript"] == "score.py"
    uploaded = {name.rsplit("/", 1)[-1] for name in service.blobs}
    assert {"score.py", "scoring.py", "nuclei.dense.onnx", "nuclei.roi.onnx"} <= uploaded
    ((colour, request),) = service.scored
    assert (colour, request["name"]) == ("blue", IMAGE.name)
    assert base64.b64decode(request["image"]) == IMAGE.read_bytes()


def test_the_next_one_takes_over_and_there_is_a_way_back(plan, endpoints, service):
    deploy(plan, endpoints, silent)
    shares = []
    shift = endpoints.shift
    endpoints.shift = lambda name, traffic: (shares.append(traffic), shift(name, traffic))
    assert deploy(plan, endpoints, silent) == "green"
    assert shares == [{"blue": 90, "green": 10}, {"green": 100}]
    assert endpoints.traffic("cells") == {"green": 100}
    assert endpoints.deployments("cells").keys() == {"blue", "green"}
    assert roll_back("cells", endpoints) == "blue"
    assert endpoints.traffic("cells") == {"blue": 100}
    assert finish("cells", endpoints) == ["green"]
    with pytest.raises(CloudError, match="no other deployment to go back to"):
        roll_back("cells", endpoints)
    assert deploy(plan, endpoints, silent) == "green"


@pytest.mark.parametrize(
    ("answers", "refusal", "message"),
    [
        ([(200, {"annotations": [{}]})], None, "finds 1 cells in .*, but 3 are found here"),
        (
            [(500, {"error": {"code": "BadRequest", "message": "There is no ONNX model."}})],
            None,
            "busy or has a fault while trying",
        ),
        ([(200, {"detail": "x"})], None, "answers without cells"),
        ([THREE, (502, {})], None, "busy or has a fault while trying"),
        (
            [THREE],
            ("PUT /onlineEndpoints/cells/deployments", (400, "OutOfQuota", "Not enough quota.")),
            "quota does not allow",
        ),
    ],
    ids=["other cells", "crash", "no cells", "later crash", "quota"],
)
def test_a_failure_leaves_the_old_deployment_in_charge(plan, endpoints, service, answers, refusal, message):
    deploy(plan, endpoints, silent)
    service.answers = list(answers)
    if refusal:
        service.refusals[refusal[0]] = refusal[1]
    with pytest.raises(CloudError, match=f"{message}.*was withdrawn; the requests go to the deployment before"):
        deploy(plan, endpoints, silent, expected=3)
    assert endpoints.traffic("cells") == {"blue": 100}
    assert endpoints.deployments("cells").keys() == {"blue"}


def test_a_shift_that_fails_is_taken_back(plan, endpoints, monkeypatch):
    deploy(plan, endpoints, silent)
    shift = endpoints.shift

    def refuse_all(name, traffic):
        if traffic == {"green": 100}:
            raise CloudError("Azure is busy.")
        shift(name, traffic)

    monkeypatch.setattr(endpoints, "shift", refuse_all)
    with pytest.raises(CloudError, match="the requests go to the deployment before"):
        deploy(plan, endpoints, silent)
    assert endpoints.traffic("cells") == {"blue": 100}


def test_what_cannot_be_withdrawn_is_named(plan, endpoints, service):
    deploy(plan, endpoints, silent)
    service.answers = [(500, {})]
    service.refusals["DELETE "] = (403, "AuthorizationFailed", "Not allowed.")
    said = []
    with pytest.raises(CloudError):
        deploy(plan, endpoints, said.append)
    assert any("green could not be withdrawn" in text and "it costs" in text for text in said)


def test_entities_pass_the_schemas_and_read_back(plan, tmp_path):
    from azure.ai.ml import load_online_deployment, load_online_endpoint

    served = stage_model(plan.files, tmp_path / "staged")
    names = {"endpoint": "cells", "colour": "green", "size": plan.size, "instances": 2, "python": "3.11"}
    deployment = deployment_of(served, model="azureml:mine:3", folder=tmp_path, **names)
    for name, entity in (("endpoint", endpoint_of("cells")), ("deployment", deployment)):
        (tmp_path / f"{name}.yml").write_text(json.dumps(entity._to_dict()))
    assert load_online_endpoint(tmp_path / "endpoint.yml").auth_mode == "key"
    back = load_online_deployment(tmp_path / "deployment.yml")
    assert (back.name, back.endpoint_name, back.instance_count, back.model) == ("green", "cells", 2, "mine:3")
    assert (served.code / back.code_configuration.scoring_script).is_file()


@pytest.mark.parametrize("name", ["a", "1cells", "my cells", "x" * 33, "cells-"])
def test_a_name_that_azure_refuses_is_refused_here(plan, name):
    with pytest.raises(BadSettings, match="An endpoint has a name of"):
        Deployment(name, plan.files, IMAGE)


def test_a_model_without_graphs_says_how_to_make_them(plan, tmp_path):
    from dataclasses import replace

    with pytest.raises(BadModel, match="napari-centermask export nuclei"):
        stage_model(replace(plan.files, graphs=None), tmp_path)
