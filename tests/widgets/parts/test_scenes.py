"""A person ticks the images of a file that are to be opened."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox

from napari_centermask.widgets.parts.scenes import SceneDialog, ask_scenes


@pytest.fixture
def two(tmp_path):
    """A TIFF with two images of one size."""
    import tifffile

    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as file:
        for n in range(2):
            file.write(np.full((20, 24), n, np.uint8), metadata=None)
        file.write(np.zeros((30, 24), np.uint8), metadata=None)
    return path


def test_the_first_is_ticked_and_ok_needs_one(qtbot):
    dialog = SceneDialog("slide.lif", ["a", "b", "c"], ticked=1)
    qtbot.addWidget(dialog)
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert dialog.chosen == [0]
    dialog.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not ok.isEnabled()
    assert ok.toolTip() == "Tick an image first."
    dialog.list.item(2).setCheckState(Qt.CheckState.Checked)
    assert ok.isEnabled()
    assert dialog.chosen == [2]


@pytest.mark.parametrize(("answer", "expected"), [("Accepted", ["1"]), ("Rejected", [])])
def test_the_ticked_images_are_returned_and_none_after_cancel(two, monkeypatch, qtbot, answer, expected):
    def choose(dialog):
        qtbot.addWidget(dialog)
        for n in range(dialog.list.count()):
            dialog.list.item(n).setCheckState(Qt.CheckState.Checked if n == 1 else Qt.CheckState.Unchecked)
        return getattr(QDialog.DialogCode, answer)

    monkeypatch.setattr(SceneDialog, "exec", choose)
    assert [p.name for p in ask_scenes(two, ticked=None)] == expected


def test_a_file_with_one_image_needs_no_question(tmp_path, monkeypatch):
    monkeypatch.setattr(SceneDialog, "exec", None)
    np.save(tmp_path / "a.npy", np.zeros((20, 20), np.uint8))
    assert ask_scenes(tmp_path / "a.npy") == [tmp_path / "a.npy"]
