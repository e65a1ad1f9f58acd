"""How the axes and channels of the chosen image are read, and how you change that."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile


@pytest.fixture
def three_channels(tmp_path, discs):
    """A TIFF of three channels without names; cells are in the second."""
    path = tmp_path / "three.tif"
    blank = np.full_like(discs(), 0.05)
    blank[::2] = 0.1
    stack = np.stack([blank, discs(), blank])
    tifffile.imwrite(path, (stack * 250).astype(np.uint8), photometric="minisblack")
    return path


def test_a_tiff_of_three_channels_is_one_image_whose_channels_can_be_chosen(viewer, dock, run_to_end, three_channels):
    (layer,) = viewer.open(three_channels, plugin="napari")
    assert [dock.image.scope.itemText(i) for i in range(dock.image.scope.count())][0] == "Whole image"
    assert [action.text() for action in dock.image.channels.menu().actions()] == ["Channel 0", "Channel 1", "Channel 2"]
    assert dock.image.channel_axis == 0
    dock.image.channels.menu().actions()[0].trigger()
    dock.image.channels.menu().actions()[2].trigger()
    assert dock.value().channels == [1]
    run_to_end()
    assert dock.session.result(layer).leading == ()
    assert len(dock.session.result(layer)) == 3


def test_the_channel_axis_that_you_choose_stays_with_its_image(viewer, dock, three_channels, discs):
    (layer,) = viewer.open(three_channels, plugin="napari")
    other = viewer.add_image(discs(), name="other")
    viewer.layers.selection.active = layer
    dock.image.axis.setCurrentIndex(0)
    dock.image.axis.activated.emit(0)
    assert dock.image.scope.itemText(0) == "All 3 planes"
    viewer.layers.selection.active = other
    viewer.layers.selection.active = layer
    assert dock.image.scope.itemText(0) == "All 3 planes"
    assert dock.image.note.isHidden()


def test_channels_that_come_last_are_shown_by_a_button(viewer, dock, run_to_end, discs):
    layer = viewer.add_image(np.stack([discs()] * 5, axis=-1), name="discs", rgb=False)
    assert not dock.image.turn.isHidden()
    dock.image.turn.click()
    assert layer.data.shape == (5, *discs().shape)
    assert dock.image.turn.isHidden()
    assert dock.image.scope.itemText(0) == "Whole image"
    run_to_end()
    assert len(dock.session.result(layer)) == 3
