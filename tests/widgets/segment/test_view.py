"""What the boxes of the dock know of image and model."""

from __future__ import annotations

import numpy as np


def test_a_channel_axis_is_not_a_stack(viewer, dock, run_to_end, discs):
    image = np.stack([np.zeros((128, 128), np.float32), discs()])
    viewer.add_image(np.stack([image] * 4, axis=0), name="discs", axis_labels=("t", "c", "y", "x"))
    assert dock.image.channel_axis == 1
    dock.image.channels.set_value([1])
    run_to_end()
    cells = viewer.layers["discs cells"].data
    assert cells.shape == (4, 2, 128, 128)
    assert [len(np.unique(p)) - 1 for p in cells[:, 0]] == [3] * 4
    np.testing.assert_array_equal(cells[:, 0], cells[:, 1])


def test_without_a_model_run_says_how_to_add_one(viewer, discs, monkeypatch):
    from napari_centermask.models.store import zoo
    from napari_centermask.widgets.segment.dock import SegmentDock

    monkeypatch.setattr(zoo, "list_models", list)
    viewer.add_image(discs(), name="discs")
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.run.start.isEnabled()
    assert "models add" in dock.run.start.toolTip()
    assert "No model" in dock.model.about.text()


def test_how_an_ambiguous_image_is_read_is_said_until_its_axis_is_chosen(viewer, dock):
    viewer.add_image(np.zeros((3, 64, 64), np.uint8), name="three")
    assert "Axis 0 is read as 3 planes" in dock.image.note.text()
    assert dock.image.note.isVisibleTo(dock)
    dock.image.axis.setCurrentIndex(dock.image.axis.findData(0))
    assert not dock.image.note.isVisibleTo(dock)
