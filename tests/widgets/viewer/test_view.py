"""Which plane is in view, and how a cell is brought there; a viewer without a window will do."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.view import centre_view, current_index, go_to_plane, shows_planes


@pytest.fixture
def stack():
    """A viewer of a stack (time, channel, depth, height, width), its image and planes; and a volume that is deeper."""
    viewer = ViewerModel()
    place = {"scale": (1, 1, 5, 2, 3), "translate": (0, 0, 10, 20, 30)}
    source = viewer.add_image(np.zeros((2, 2, 4, 60, 80), np.uint8), channel_axis=None, **place)
    viewer.add_image(np.zeros((9, 60, 80), np.uint8), scale=(20, 2, 3))
    return viewer, source, ImagePlanes.of(source, channel_axis=1)


def test_the_plane_in_view_is_where_the_sliders_stand_and_never_outside_the_image(stack):
    viewer, source, planes = stack
    for index in ((0, 0), (1, 3), (1, 0)):
        go_to_plane(viewer, source, planes, index)
        assert current_index(viewer, source, planes) == index
    viewer.dims.set_point(2, 160)  # of the other image; the stack ends at a depth of 25
    assert current_index(viewer, source, planes) == (1, 3)


def test_planes_are_shown_as_they_are_in_two_dimensions_with_height_and_width_last(stack):
    viewer, source, _ = stack
    assert shows_planes(viewer, source)
    viewer.dims.ndisplay = 3
    assert not shows_planes(viewer, source)
    viewer.dims.ndisplay = 2
    viewer.dims.order = (0, 1, 3, 2, 4)
    assert not shows_planes(viewer, source)


def test_a_cell_comes_to_the_middle_and_closer_where_it_is_tiny(stack):
    viewer, source, planes = stack
    camera = getattr(viewer, "scene", viewer).camera
    camera.zoom = 100
    centre_view(viewer, source, planes, (0, 0), (10, 20, 13, 25))  # its middle is pixel (11, 22)
    assert tuple(camera.center[-2:]) == (20 + 2 * 11, 30 + 3 * 22)
    assert camera.zoom == 100
    camera.zoom = 1
    centre_view(viewer, source, planes, (0, 0), (10, 20, 13, 25))  # 5 pixels of 3: 15 on the screen
    assert camera.zoom == pytest.approx(160 / 15)
