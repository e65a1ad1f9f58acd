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
        ({"steps": []}, "steps: List should have at least 1"),
        ({"steps": [{"do": "shrink"}]}, "step 1"),
        ({"steps": [{"do": "quantise", "method": "int4"}]}, "step 1.*method"),
        ({"steps": [{"do": "quantise"}, {"do": "quantise"}]}, "Step 2 .* follows a quantisation"),
        ({"steps": [{"do": "quantise"}], "acepted": 1}, "acepted"),
        ({"steps": [{"do": "quantise"}, {"do": "prune"}]}, r"Step 2 .*\(prune\) follows a quantisation"),
        ({"steps": [{"do": "qat"}]}, "last step of the plan is qat"),
        ({"steps": [{"do": "qat"}, {"do": "quantise", "method": "float16"}]}, "follows qat"),
        ({"steps": [{"do": "prune"}, {"do": "distil", "student": {"family": "unet"}}]}, "starts a new student"),
        ({"steps": [{"do": "prune", "what": "layers"}]}, "needs `layers`"),
        ({"steps": [{"do": "prune"}], "data": None}, "no annotated `data`"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_says_why(tmp_path, values, words):
    with pytest.raises(BadSettings, match=words):
        read_plan(_plan(tmp_path, **values))


def test_a_missing_plan_is_named(tmp_path):
    with pytest.raises(BadSettings, match=r"none\.json does not exist"):
        read_plan(tmp_path / "none.json")
