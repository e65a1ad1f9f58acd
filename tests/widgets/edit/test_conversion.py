"""Layers of any origin become cells of their image by one command, as one edit, and back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.instances import Instance
from napari_centermask.widgets.edit.commands import cells_to_labels, cells_to_shapes, layers_to_cells
from napari_centermask.widgets.edit.conversion import conversions_of
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.viewer.state import session_of

LEFT = [[10, 10], [10, 40], [40, 40], [40, 10]]
RIGHT = [[20, 30], [20, 60], [35, 60], [35, 30]]


@pytest.fixture
def image(make_napari_viewer):
    """An image layer with discs, in a viewer of its own."""

    def add(shape=(128, 128), **fields):
        viewer = make_napari_viewer()
        return viewer, viewer.add_image(np.zeros(shape, np.float32), name="field", **fields)

    return add


@pytest.fixture
def convert(qtbot):
    """Run the command on some layers, and wait for its end."""

    def run(viewer, *layers):
        viewer.layers.selection = set(layers)
        layers_to_cells(viewer)
        conversions = conversions_of(viewer)
        qtbot.waitUntil(lambda: not conversions.runner.is_running and not conversions._waiting, timeout=30_000)

    return run


def cells(viewer, image, index=()):
    return list(session_of(viewer).result(image).visible(index))


def test_polygons_that_overlap_become_whole_cells_by_one_edit(image, convert, notices):
    viewer, field = image()
    shapes = viewer.add_shapes([LEFT, RIGHT], name="mine")
    shapes.add_paths([[0, 0], [9, 9]])
    convert(viewer, shapes)
    assert sorted(c.area for c in cells(viewer, field)) == [15 * 30, 30 * 30]
    assert {c.status for c in cells(viewer, field)} == {"accepted"}
    assert "2 cells from 'mine' added to 'field'. 1 line or path without an area left out." in notices()[-1]
    edits = edit_session_of(session_of(viewer), field)
    edits.undo()
    assert not cells(viewer, field)
    edits.redo()
    assert len(cells(viewer, field)) == 2


def test_the_same_command_again_adds_nothing(image, convert, notices):
    viewer, field = image()
    shapes = viewer.add_shapes([LEFT, RIGHT])
    convert(viewer, shapes)
    convert(viewer, shapes)
    assert len(cells(viewer, field)) == 2
    assert "2 cells of the same shape were there already" in notices()[-1]


def test_an_ellipse_and_a_rectangle_have_the_area_that_they_show(image, convert):
    viewer, field = image()
    shapes = viewer.add_shapes([[[20, 20], [20, 60], [50, 60], [50, 20]]], shape_type="ellipse")
    shapes.add_rectangles([[70, 70], [79.4, 89.4]])
    convert(viewer, shapes)
    ellipse, rectangle = sorted(cells(viewer, field), key=lambda c: -c.area)
    assert ellipse.area == pytest.approx(np.pi * 20 * 15, rel=0.03)
    assert rectangle.mask.all()


def test_shapes_of_other_units_land_where_they_are_seen(image, convert):
    viewer, field = image(scale=(0.5, 0.5), translate=(10, 20))
    shapes = viewer.add_shapes([[[15, 25], [15, 30], [20, 30], [20, 25]]])
    convert(viewer, shapes)
    (cell,) = cells(viewer, field)
    assert cell.box == (10, 10, 20, 20)


def test_a_drawing_in_two_axes_goes_to_the_plane_in_view(image, convert):
    viewer, field = image((3, 64, 64))
    viewer.dims.set_point(0, 2)
    convert(viewer, viewer.add_shapes([LEFT]))
    assert [len(cells(viewer, field, (z,))) for z in range(3)] == [0, 0, 1]


def test_shapes_of_a_stack_go_to_their_planes(image, convert, notices):
    viewer, field = image((3, 64, 64))
    data = [np.insert(np.array(LEFT, float), 0, z, axis=1) for z in (0, 1, 7)]
    convert(viewer, viewer.add_shapes(data))
    assert [len(cells(viewer, field, (z,))) for z in range(3)] == [1, 1, 0]
    assert "1 shape in no plane of the image left out" in notices()[-1]


def test_labels_become_cells_on_every_plane(image, convert):
    viewer, field = image((2, 64, 64))
    labels = np.zeros((2, 64, 64), np.int32)
    labels[0, 5:15, 5:15], labels[0, 5:15, 15:25], labels[1, 40:50, 40:60] = 3, 70_000, 3
    convert(viewer, viewer.add_labels(labels))
    assert [c.area for c in cells(viewer, field, (0,))] == [100, 100]
    assert [c.area for c in cells(viewer, field, (1,))] == [200]


def test_labels_of_half_the_size_are_scaled(image, convert):
    viewer, field = image()
    labels = np.zeros((64, 64), np.uint8)
    labels[10:20, 10:20], labels[10:20, 30:40] = 1, 2
    convert(viewer, viewer.add_labels(labels, scale=(2, 2), translate=(0.5, 0.5)))
    assert [c.box for c in cells(viewer, field)] == [(20, 20, 40, 40), (20, 60, 40, 80)]


def test_a_mask_of_one_value_is_separated(image, convert, notices):
    viewer, field = image()
    labels = np.zeros((128, 128), np.uint8)
    labels[10:20, 10:20] = labels[50:60, 50:60] = 1
    convert(viewer, viewer.add_labels(labels))
    assert len(cells(viewer, field)) == 2
    assert "2 separate parts are taken for cells" in notices()[-1]


@pytest.mark.usefixtures("engine")
def test_points_become_drafts_of_the_model(make_napari_viewer, discs, convert, notices):
    viewer = make_napari_viewer()
    field = viewer.add_image(discs(values=(1.0, 0.8, 0.6)), name="field")
    points = viewer.add_points([[30, 30], [30, 31], [90, 50], [110, 110]], name="seeds")
    convert(viewer, points)
    found = cells(viewer, field)
    assert len(found) == 2
    assert all(c.is_draft for c in found)
    text = notices()[-1]
    assert "2 drafts from the points of 'seeds'" in text
    assert "1 point lies in cells that are there already" in text
    assert "1 point gave no cell and is selected" in text
    assert points.selected_data == {3}
    edit_session_of(session_of(viewer), field).undo()
    assert not cells(viewer, field)


@pytest.mark.usefixtures("engine")
def test_a_point_in_a_detection_below_the_threshold_shows_it(image, convert, notices):
    viewer, field = image()
    session = session_of(viewer)
    edits = edit_session_of(session, field)
    weak = Instance.from_mask(np.ones((12, 12), bool), (40, 40), id=5, score=0.1, source="nuclei")
    edits.result.set((), 5, weak)
    session.set_threshold(field, 0.5)
    convert(viewer, viewer.add_points([[45, 45], [46, 46]]))
    (draft,) = cells(viewer, field)
    assert (draft.id, draft.score, draft.is_draft) == (5, 0.1, True)
    assert "1 draft was found below the score threshold" in notices()[-1]
    edits.undo()
    assert not cells(viewer, field)


def test_cells_go_to_shapes_and_back_to_the_bit(image, convert):
    viewer, field = image()
    edits = edit_session_of(session_of(viewer), field)
    ring = np.ones((20, 20), bool)
    ring[5:15, 5:15] = False
    ring[9:11, 9:11] = True  # a part in the hole
    edits.add(ring, (10, 10))
    edits.add(np.ones((15, 15), bool), (20, 20))
    before = [(c.box, c.mask.tobytes()) for c in cells(viewer, field)]
    cells_to_shapes(viewer)
    shapes = viewer.layers["field shapes"]
    assert len(shapes.data) == 3
    edits.undo()
    edits.undo()
    assert not cells(viewer, field)
    convert(viewer, shapes)
    assert [(c.box, c.mask.tobytes()) for c in cells(viewer, field)] == before


def test_a_copied_shape_is_a_cell_of_its_own(image, convert):
    viewer, field = image()
    features = {"cell": [4, 4, 4], "part": [1, 1, 1], "parts": [1, 1, 1]}
    shifted = [[y + 50, x + 50] for y, x in LEFT]
    convert(viewer, viewer.add_shapes([LEFT, RIGHT, shifted], features=features))
    assert len(cells(viewer, field)) == 3


def test_cells_go_to_labels_and_the_loss_is_said(image, notices):
    viewer, field = image((2, 64, 64), scale=(1, 0.5, 0.5))
    edits = edit_session_of(session_of(viewer), field)
    edits.add(np.ones((20, 20), bool), (10, 10))
    edits.add(np.ones((20, 20), bool), (20, 20))
    viewer.layers.selection.active = field
    cells_to_labels(viewer)
    labels = viewer.layers["field labels"]
    assert labels.data.shape == (2, 64, 64)
    assert tuple(labels.scale) == (1, 0.5, 0.5)
    assert labels.editable
    assert not labels.data[1].any()
    assert "'Cells to a Shapes layer' keeps overlaps" in notices()[-1]


def test_what_cannot_be_converted_is_said(image, convert, notices):
    viewer, field = image()
    convert(viewer, field)
    assert "Select a Shapes, Labels or Points layer" in notices()[-1]
    edits = edit_session_of(session_of(viewer), field)
    cells_to_labels(viewer)
    assert "Select an image with cells" in notices()[-1]
    edits.add(np.ones((20, 20), bool), (10, 10))
    convert(viewer, viewer.layers["field cells"])
    assert "'field cells' shows cells already" in notices()[-1]
    viewer.layers.remove(field)
    convert(viewer, viewer.add_shapes([LEFT], name="alone"))
    assert "Open the image that 'alone' belongs to first" in notices()[-1]
