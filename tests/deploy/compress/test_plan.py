"""Plans are checked before anything is done."""

import json

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.deploy.compress.plan import read_plan

GOOD = {"model": "nuclei", "out": "smaller", "data": "fields"}


def _plan(tmp_path, **values):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(GOOD | values))
    return path


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"steps": []}, "steps is empty, name at least one step. Correct it"),
        ({"steps": [{"do": "shrink"}]}, 'step 1 needs "do": quantise, prune, distil, qat'),
        ({"steps": [{"method": "static"}]}, 'step 1 needs "do"'),
        ({"steps": [{"do": "quantise"}], "out": None}, "out: Input is not a valid path"),
        ({"steps": [{"do": "quantise", "method": "int4"}]}, "step 1.*method"),
        ({"steps": [{"do": "quantise"}, {"do": "quantise"}]}, "Step 2 .* follows a quantisation"),
        ({"steps": [{"do": "quantise"}], "acepted": 1}, "acepted is not known"),
        ({"steps": [{"do": "quantise"}, {"do": "prune"}]}, r"Step 2 .*\(prune\) follows a quantisation"),
        ({"steps": [{"do": "qat"}]}, "last step of the plan is qat"),
        ({"steps": [{"do": "qat"}, {"do": "quantise", "method": "float16"}]}, "follows qat"),
        ({"steps": [{"do": "prune"}, {"do": "distil", "student": {"family": "unet"}}]}, "starts a new student"),
        ({"steps": [{"do": "prune", "what": "layers"}]}, "needs `layers`"),
        ({"steps": [{"do": "quantise"}], "device": "cuda"}, "openvino runs on the CPU only, not on 'cuda'"),
        ({"steps": [{"do": "prune"}], "data": None}, "no annotated `data`"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_says_why(tmp_path, values, words):
    with pytest.raises(BadSettings, match=words):
        read_plan(_plan(tmp_path, **values))


def test_a_missing_plan_is_named(tmp_path):
    with pytest.raises(BadSettings, match=r"none\.json does not exist"):
        read_plan(tmp_path / "none.json")
    with pytest.raises(BadSettings, match="is a folder, not a plan"):
        read_plan(tmp_path)


def test_a_plan_that_is_not_json_says_where(tmp_path):
    (tmp_path / "plan.json").write_text("{model")
    with pytest.raises(BadSettings, match="it is not JSON, key must be a string at line 1 column 2. Correct it there"):
        read_plan(tmp_path / "plan.json")
