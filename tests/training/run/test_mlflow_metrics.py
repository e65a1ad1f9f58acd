"""Events survive the way through MLflow, and a server that does not answer stops nothing."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from napari_centermask.events import DoneEvent, EvaluationEvent, StartEvent, StepEvent
from napari_centermask.training.run.mlflow_metrics import MlflowRun, Point, events_of

STEP = StepEvent(time=1000.5, step=20, part=0.5, seconds=3, learning_rate=1e-3, losses={"loss_mask": 0.7})
EVALUATION = EvaluationEvent(time=1001.0, step=20, better=True, AP=0.25, AP50=0.5, score=0.3)


@pytest.fixture
def server():
    """An MLflow server that keeps what it is sent; yields its address and the requests."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append((self.path, self.headers["Authorization"], json.loads(content)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", requests
        http.shutdown()
        thread.join()


def test_events_come_back_from_metrics_and_tags(server):
    address, requests = server
    variables = {"MLFLOW_TRACKING_URI": address, "MLFLOW_RUN_ID": "r1", "MLFLOW_TRACKING_TOKEN": "secret"}
    run = MlflowRun.of(variables)
    sent = [StartEvent(time=1000.0, steps=40, batch=4), STEP, EVALUATION, DoneEvent(time=1002.0, step=40)]
    assert [run.log(event, cpu_percent=50.0) for event in sent] == [""] * 4
    assert {path for path, _, _ in requests} == {"/api/2.0/mlflow/runs/log-batch"}
    assert {token for _, token, _ in requests} == {"Bearer secret"}
    histories, tags = {}, {}
    for _, _, body in requests:
        assert body["run_id"] == "r1"
        for metric in body["metrics"]:
            point = Point(metric["value"], metric["step"], metric["timestamp"])
            histories.setdefault(metric["key"], []).append(point)
        tags |= {tag["key"]: tag["value"] for tag in body["tags"]}
    assert histories["cpu_percent"] == [Point(50.0, 20, 1_000_500)]
    back = events_of(histories, tags)
    assert [event.event for event in back] == ["start", "step", "evaluation", "done"]
    assert back[1] == STEP
    assert (back[2].AP, back[2].better, back[2].step) == (0.25, True, 20)
    assert back[0].batch == 4


def test_a_server_that_does_not_answer_is_reported_once_and_stops_nothing():
    run = MlflowRun("http://127.0.0.1:9", "r1")  # the port "discard", where nothing listens
    assert "Training goes on" in run.log(STEP)
    assert run.log(STEP) == ""


def test_without_a_run_nothing_is_reported():
    assert MlflowRun.of({}) is None
    assert MlflowRun.of({"MLFLOW_TRACKING_URI": "file:///tmp/runs", "MLFLOW_RUN_ID": "r1"}) is None
    azure = MlflowRun.of({"MLFLOW_TRACKING_URI": "azureml://eastus.api.azureml.ms/mlflow/v1.0/x", "MLFLOW_RUN_ID": "r"})
    assert azure.address == "https://eastus.api.azureml.ms/mlflow/v1.0/x/api/2.0/mlflow"
