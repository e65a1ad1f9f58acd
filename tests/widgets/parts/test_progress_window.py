"""The window that shows the progress of work in the GUI thread."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QApplication, QProgressDialog, QWidget

from napari_centermask.core.errors import Cancelled
from napari_centermask.widgets.parts import progress_window as module
from napari_centermask.widgets.parts.progress_window import progress_window


@pytest.fixture
def parent(qtbot, monkeypatch):
    monkeypatch.setattr(module, "_AFTER", 0.0)
    monkeypatch.setattr(module, "_EVERY", 0.0)
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def test_progress_is_shown_and_the_window_goes_with_the_work(parent):
    with progress_window("Opening cells", parent) as advance:
        advance(3, 10)
        (window,) = parent.findChildren(QProgressDialog)
        assert (window.value(), window.maximum(), window.labelText()) == (3, 10, "Opening cells…")
        assert QApplication.overrideCursor() is not None
    assert not window.isVisible()
    assert QApplication.overrideCursor() is None


def test_what_takes_a_moment_only_opens_no_window(parent, monkeypatch):
    monkeypatch.setattr(module, "_AFTER", 100.0)
    with progress_window("Opening cells", parent) as advance:
        advance(10, 10)
        assert not parent.findChildren(QProgressDialog)


def test_cancel_ends_the_work_at_its_next_step(parent):
    done = []

    def work():
        with progress_window("Opening cells", parent) as advance:
            for n in range(1, 5):
                advance(n, 5)
                done.append(n)
                parent.findChildren(QProgressDialog)[0].cancel()

    with pytest.raises(Cancelled, match="Opening cells was cancelled"):
        work()
    assert done == [1]
    assert QApplication.overrideCursor() is None
