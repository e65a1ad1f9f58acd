"""Commands that install models or look for them must not see those of this machine."""

import pytest

from napari_centermask.models.store import zoo


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No model is shipped and none is installed; returns the folder where models will be."""
    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path / "home" / "models"
