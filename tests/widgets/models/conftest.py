"""A registry with two models, and the dock that shows it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_centermask.models.store import zoo

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Two models, one made from the other; cards are read from small files."""
    from installed_models import install, read_card

    monkeypatch.setenv("NAPARI_CENTERMASK_HOME", str(tmp_path))
    monkeypatch.setattr(zoo, "shipped_folder", lambda: tmp_path / "shipped")
    monkeypatch.setattr(zoo, "_read_card", read_card)
    install(tmp_path, "first")
    install(tmp_path, "second", parent="first")
    return tmp_path


@pytest.fixture
def dock(home, qtbot):
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QMainWindow

    from napari_centermask.widgets.models.dock import ModelsDock

    window = QMainWindow()
    qtbot.addWidget(window)
    dock = ModelsDock(ViewerModel())
    window.setCentralWidget(dock)
    window.show()
    qtbot.waitUntil(lambda: len(dock.inventory.entries) == 2, timeout=30_000)
    yield dock
    qtbot.waitUntil(lambda: not (dock.looker.is_running or dock.worker.is_running), timeout=30_000)


@pytest.fixture
def done(dock, qtbot):
    """Wait until what was asked is done and the list shows it."""
    return lambda: qtbot.waitUntil(lambda: not (dock.looker.is_running or dock.worker.is_running), timeout=30_000)


@pytest.fixture
def add(dock, done, home):
    """Install another model while the dock is open."""
    from installed_models import install

    def make(name: str, description: str) -> None:
        install(home, name, description=description)
        dock.look()
        done()

    return make


@pytest.fixture
def click(dock, done):
    """Click a button of the list and wait."""

    def act(button: str) -> None:
        getattr(dock.list, button).click()
        done()

    return act
