"""`quantise` names the flag whose value is out of range; it and `compress` replace no earlier result."""

import json
from types import SimpleNamespace

import pytest

from napari_centermask import cli

RESULT = SimpleNamespace(rows=[], sentence="Keep it.", files=SimpleNamespace(name="nuclei", paths=[]))


@pytest.mark.parametrize("tokens", [["--keep-float", "5"], ["--most-images", "0"], ["--accepted", "-1"]])
def test_values_out_of_range_are_named_by_their_flags(tmp_path, tokens, capsys):
    assert cli.run(["quantise", "nuclei", str(tmp_path), "--out", str(tmp_path / "out"), *tokens]) == 2
    assert f"Error: {tokens[0]}: Input should be" in capsys.readouterr().err


@pytest.fixture
def plan(tmp_path):
    """A plan whose folder `out` is not there yet."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"model": "nuclei", "out": str(tmp_path / "out"), "steps": [{"do": "quantise"}]}))
    return path


@pytest.mark.parametrize("earlier", ["table.json", "1-quantise"])
def test_an_earlier_result_is_not_replaced_unless_asked(tmp_path, plan, earlier, capsys, monkeypatch):
    done = []
    monkeypatch.setattr("napari_centermask.deploy.compress.run.compress", lambda plan, say: done.append(plan) or RESULT)
    (tmp_path / "out" / earlier).mkdir(parents=True)
    quantise = ["quantise", "nuclei", str(tmp_path), "--out", str(tmp_path / "out")]
    for tokens, place in ((quantise, "--out"), (["compress", str(plan)], "`out` in the plan")):
        assert cli.run(tokens) == 2
        assert f"{earlier} already exists. Choose another {place} or add --overwrite." in capsys.readouterr().err
        assert not done
        assert cli.run([*tokens, "--overwrite", "--json"]) == 0
        assert done.pop().out == tmp_path / "out"
