"""The whole journey in a real napari that is killed at its end: nothing of it is lost."""

from __future__ import annotations

import pytest
from journey import walk_killed_and_again


@pytest.fixture
def trainable():
    """The shipped model with its weights, and what trains; a source tree before its first training has none."""
    from importlib.machinery import PathFinder

    from napari_centermask.core.errors import BadModel
    from napari_centermask.models.store.zoo import find_model

    # Not importlib.util.find_spec, which tests that draw answer without looking (tests/conftest.py).
    missing = [name for name in ("torch", "onnx", "pyqtgraph") if PathFinder.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: the extra 'train'")
    try:
        assert find_model("nuclei").weights is not None
    except BadModel as error:
        pytest.skip(str(error))


@pytest.mark.timeout(1200)
def test_the_whole_journey(trainable, tmp_path, monkeypatch):
    """Open, run, draw, undo, import, review, export, fine-tune, compare, install, predict, die, and find everything."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari.yaml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    expected, walked = walk_killed_and_again(tmp_path)
    assert walked == expected
    statuses = [status for status, _ in walked["images"].values()]
    assert statuses == ["reviewed"] * 4 + ["in work"]
    assert [len(cells) for _, cells in walked["images"].values()][:4] == [22, 18, 24, 21]
    assert [len(boxes) for boxes in walked["reviewed"].values()] == [1, 1, 1, 1, 0]
    _name, state, curves = walked["run"]
    assert state == "done"
    assert curves["AP"][0] == [0, 6, 12]
    assert walked["verdict"]
    assert list(walked["models"]) == [walked["installed"]]
    parent, parent_hash = walked["models"][walked["installed"]]
    assert parent == "nuclei"
    assert len(parent_hash) == 64
