"""The scoring script, called here, finds the same cells as `segment`, and answers wrong requests in words."""

import base64
import json
import re
import shutil
from pathlib import Path

import pytest

from napari_centermask import cli
from napari_centermask.cloud import scoring
from napari_centermask.core.errors import BadModel
from napari_centermask.models.store.zoo import find_model

IMAGE = Path(__file__).parents[2] / "resources" / "samples" / "nuclei_fluorescence_small.png"
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.fixture
def deployment(tmp_path, monkeypatch):
    """The folder of a deployment with the graphs of `nuclei`."""
    folder = tmp_path / "model" / "1"
    folder.mkdir(parents=True)
    for path in find_model("nuclei").graphs:
        shutil.copy(path, folder)
    monkeypatch.setenv(scoring.MODEL_DIR, str(tmp_path / "model"))
    scoring._engine.cache_clear()
    yield
    scoring._engine.cache_clear()


def request(**more):
    return json.dumps({"image": base64.b64encode(IMAGE.read_bytes()).decode(), "name": IMAGE.name} | more)


def test_cells_are_those_of_segment(deployment, tmp_path):
    scoring.init()
    answer = scoring.run(request(settings={"diameter": 22}))
    assert cli.run(["segment", str(IMAGE), "--out", str(tmp_path / "out"), "--engine", "onnx", "--diameter", "22"]) == 0
    written = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert len(answer["annotations"]) > 3
    for key in ("segmentation", "bbox", "category_id", "score"):
        assert [cell[key] for cell in json.loads(json.dumps(answer))["annotations"]] == [
            cell[key] for cell in written["annotations"]
        ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"image": "%%%"}, "image is not base64"),
        ({"settings": {"score": 3}}, "score: .*less than or equal to 1"),
        ({"settings": {"model": "/etc/passwd"}}, "model belongs to the deployment"),
        ({"imge": "x"}, "imge: "),
        ({"name": "../../notes.txt"}, "notes.txt is not one of"),
    ],
)
def test_a_wrong_request_is_answered_with_the_reason(deployment, more, message):
    answer = scoring.run(request(**more))
    assert answer.keys() == {"error"}
    assert re.search(message, answer["error"]["message"])


def test_a_deployment_without_a_model_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv(scoring.MODEL_DIR, str(tmp_path))
    scoring._engine.cache_clear()
    with pytest.raises(BadModel, match="no ONNX model"):
        scoring.init()
