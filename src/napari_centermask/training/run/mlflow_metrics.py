"""What a run reports, as metrics and tags of an MLflow run, and back: the same curves wherever it trains. Needs no torch.

Source: the REST API of MLflow, "runs/log-batch". Its package is not needed, and what runs on a rented machine needs no more than
training itself. A service that starts jobs says where to report to in the variables `MLFLOW_TRACKING_URI`, `MLFLOW_RUN_ID` and
`MLFLOW_TRACKING_TOKEN`.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_centermask.events import LOSS, EvaluationEvent, Event, StepEvent, as_values, from_values

VALIDATION = "val_"
"""The names of metrics of an evaluation begin with this."""
TAG = "napari_centermask."
"""Tags with an event, one for each kind, begin with this; the newest replaces the one before."""
LONGEST_TAG = 5000  # characters, MLflow's limit
PATIENCE_S, SILENCE_S = 10.0, 60.0
"""How long to wait for the server, and how long not to try again after it did not answer: choices; training goes on."""
STEP_FIELDS = ("part", "seconds", "seconds_left", "memory_mb", "learning_rate", "gradient_norm")
EVALUATION_FIELDS = (
    "AP", "AP50", "category_AP50", "AP_known", "boundary_iou", "miou", "pixel_accuracy", "dice",
    "score", "seconds", "training_seconds", "better",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A value of a metric, as MLflow keeps it; `timestamp` in ms since 1970."""

    value: float
    step: int
    timestamp: int


def metrics_of(event: Event) -> dict[str, float]:
    """The numbers of an event by the names of metrics; empty for events without a step."""
    if isinstance(event, StepEvent):
        values = {name: getattr(event, name) for name in STEP_FIELDS} | event.losses
    elif isinstance(event, EvaluationEvent):
        values = {f"{VALIDATION}{name}": getattr(event, name) for name in EVALUATION_FIELDS}
    else:
        return {}
    return {name: float(value) for name, value in values.items() if value is not None}


def tags_of(event: Event) -> dict[str, str]:
    """An event without numbers as a tag."""
    if isinstance(event, (StepEvent, EvaluationEvent)):
        return {}
    text = json.dumps(as_values(event))
    return {f"{TAG}{event.event}": text} if len(text) <= LONGEST_TAG else {}


def events_of(histories: Mapping[str, Sequence[Point]], tags: Mapping[str, str]) -> list[Event]:
    """The events that were reported, in the order of their times; metrics of others are left out."""
    steps: dict[tuple[bool, int], dict[str, float]] = defaultdict(dict)
    times: dict[tuple[bool, int], float] = {}
    for name, points in histories.items():
        is_evaluation, field = name.startswith(VALIDATION), name.removeprefix(VALIDATION)
        if not is_evaluation and field not in STEP_FIELDS and not field.startswith(LOSS):
            continue
        for point in points:
            steps[is_evaluation, point.step][field] = point.value
            times[is_evaluation, point.step] = point.timestamp / 1000
    events = [_event(key, values, times[key]) for key, values in steps.items()]
    for name, text in tags.items():
        if name.startswith(TAG) and (event := _parsed(text)) is not None:
            events.append(event)
    return sorted(filter(None, events), key=lambda event: event.time)


def _event(key: tuple[bool, int], values: Mapping[str, float], when: float) -> Event | None:
    is_evaluation, step = key
    more: dict[str, object] = {"better": bool(values.get("better", 0))} if is_evaluation else {}
    kind = "evaluation" if is_evaluation else "step"
    return from_values({**values, **more, "event": kind, "step": step, "time": when})


def _parsed(text: str) -> Event | None:
    try:
        return from_values(json.loads(text))
    except ValueError:
        return None


class MlflowRun:
    """The MLflow run that this process reports to.

    Parameters
    ----------
    address
        Of the server, https://...
    """

    def __init__(self, address: str, run_id: str, token: str = "") -> None:
        self.address, self.run_id, self.token = rest_address(address), run_id, token
        self._silent_until = 0.0
        self._has_complained = False

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> MlflowRun | None:
        """The run that environment variables name; None if they name none."""
        address, run_id = variables.get("MLFLOW_TRACKING_URI", ""), variables.get("MLFLOW_RUN_ID", "")
        if not run_id or not address.startswith(("azureml://", "https://", "http://")):
            return None
        return cls(address, run_id, variables.get("MLFLOW_TRACKING_TOKEN", ""))

    def log(self, event: Event, **more: float) -> str:
        """Report an event, with further metrics beside those of a step; a sentence to show if that fails for the first time."""
        metrics, tags = metrics_of(event), tags_of(event)
        metrics |= more if isinstance(event, StepEvent) else {}
        if not metrics and not tags or time.monotonic() < self._silent_until:
            return ""
        at, step = int(event.time * 1000), getattr(event, "step", 0)
        body = {
            "run_id": self.run_id,
            "metrics": [{"key": k, "value": v, "timestamp": at, "step": step} for k, v in metrics.items()],
            "tags": [{"key": k, "value": v} for k, v in tags.items()],
        }
        try:
            self._post("runs/log-batch", body)
        except OSError as error:
            self._silent_until = time.monotonic() + SILENCE_S
            if self._has_complained:
                return ""
            self._has_complained = True
            return f"Metrics do not reach {self.address} ({error}). Training goes on; they are in its own events, too."
        return ""

    def _post(self, call: str, body: object) -> None:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/{call}", data=data, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            answer.read()


def rest_address(uri: str) -> str:
    """The address of MLflow's REST API at a tracking URI; Azure's begins with azureml:// and is reached by https."""
    return f"{uri.replace('azureml://', 'https://', 1).split('?')[0].rstrip('/')}/api/2.0/mlflow"
