"""`quantise` names the flag whose value is out of range."""

import pytest

from napari_centermask import cli


@pytest.mark.parametrize("tokens", [["--keep-float", "5"], ["--most-images", "0"], ["--accepted", "-1"]])
def test_values_out_of_range_are_named_by_their_flags(tmp_path, tokens, capsys):
    assert cli.run(["quantise", "nuclei", str(tmp_path), "--out", str(tmp_path / "out"), *tokens]) == 2
    assert f"Error: {tokens[0]}: Input should be" in capsys.readouterr().err
