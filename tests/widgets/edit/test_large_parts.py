"""What is in view of a large image is corrected as any image, and put back."""

from __future__ import annotations

import numpy as np
import pytest

from large_field import SHAPE, assert_consistent, everything, field_cells, write_field
from napari_centermask.core.history import Change
from napari_centermask.io.formats import cell_correction
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.large_part import LargeCorrection
from napari_centermask.widgets.edit import large_parts
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.large_parts import parts_of
from napari_centermask.widgets.viewer import large_reader
from napari_centermask.widgets.viewer.state import session_of

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("plugin")]
pytest.importorskip("zarr")
pytest.importorskip("pyarrow")
PLUGIN = "napari-centermask"


class Opened:
    """A viewer with the lazy layers of a large image's cells, at a place in view."""

    def __init__(self, viewer, path, qtbot):
        self.viewer, self.path, self.qtbot = viewer, path, qtbot
        self.lazy = viewer.open(path, plugin=PLUGIN)
        self.parts, self.session = parts_of(viewer), session_of(viewer)
        self.look(490, 490, 560, 560)

    def look(self, y0, x0, y1, x1):
        """Have a box in view, in pixels of the full size."""
        self.box = y0, x0, y1, x1
        for layer in self.lazy:
            layer.data_level = 0
            corners = layer.corner_pixels.copy()
            corners[:, -2:] = (y0, x0), (y1 - 1, x1 - 1)
            layer.corner_pixels = corners

    def wait(self):
        self.qtbot.waitUntil(lambda: not self.parts.runner.is_running)
        self.qtbot.waitUntil(lambda: not self.session.canvas.is_taking_turns)

    def take(self):
        self.look(*self.box)  # drawing asks the camera again
        self.parts.start()
        self.wait()
        return edit_session_of(self.session, self.parts.image)

    def put(self):
        self.parts.put_back()
        self.wait()

    def cells(self):
        return everything(CellsOnDisk.open(self.path))

    @property
    def names(self):
        return [layer.name for layer in self.viewer.layers]


@pytest.fixture
def opened(bare_viewer, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(large_reader, "LARGEST_IN_MEMORY", 1_000_000)
    return Opened(bare_viewer, write_field(tmp_path).cells, qtbot)


def delete(edits, id):
    edits.select((id,))
    edits.run_tool("delete")


def test_what_is_in_view_is_corrected_and_put_back(opened, notices):
    edits = opened.take()
    assert opened.names == [
        *("field cells_0", "field cells_1", "field cells_2", "field part, without its image"),
        *("field part, without its image cells", "field part, without its image outlines"),
    ]
    assert sorted(c.id for c in edits.result) == [2, 3, 9]
    part = opened.parts.image
    assert part.scale.tolist() == [0.5, 0.5]
    y0, x0 = (np.array(part.translate) / 0.5).astype(int)
    cell = edits.result.get((), 9)
    assert (cell.y0 + y0, cell.x0 + x0) == (535, 480)
    delete(edits, 9)
    edits.add(np.ones((5, 5), bool), (0, 0))
    delete(edits, 2)
    edits.undo()
    opened.put()
    assert opened.names == ["field cells_0", "field cells_1", "field cells_2"]
    assert sorted(opened.cells()) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    shown = np.maximum.reduce([np.asarray(layer.data[0]) for layer in opened.lazy])
    assert set(np.unique(shown)) == {0, 1, 2, 3, 4, 5, 6, 7, 8, 10}
    assert "2 cells of field_cells.ome.zarr changed." in notices()
    assert_consistent(opened.path)
    assert sorted(c.id for c in opened.take().result) == [2, 3, 10]


def test_a_new_label_image_becomes_a_layer(opened):
    edits = opened.take()
    for _ in range(3):
        edits.add(np.ones((46, 50), bool), (0, 0))
    opened.put()
    assert opened.names[-1] == "field cells_4"
    assert opened.viewer.layers[-1].multiscale


def test_the_part_lies_on_a_crop_of_the_open_image(opened):
    pixels = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    opened.viewer.add_image([pixels, pixels[::2, ::2]], name="field", scale=(0.5, 0.5), colormap="green")
    opened.viewer.add_image(pixels[:50], name="another")
    opened.viewer.layers.selection.active = opened.lazy[0]
    opened.take()
    part = opened.parts.image
    assert part.name == "field part"
    assert part.colormap.name == "green"
    y0, x0 = (np.array(part.translate) / 0.5).astype(int)
    h, w = part.data.shape
    assert np.array_equal(part.data, pixels[y0 : y0 + h, x0 : x0 + w])


def test_channels_and_colours_come_along(opened):
    rgb = np.zeros((*SHAPE, 3), np.uint8)
    rgb[500:510, 500:510] = (1, 2, 3)
    opened.viewer.add_image(rgb, name="colours", scale=(0.5, 0.5))
    opened.take()
    part = opened.parts.image
    assert part.rgb
    assert (part.data == (1, 2, 3)).all(axis=2).sum() == 100
    opened.parts.discard()
    opened.wait()
    two = np.zeros((2, *SHAPE), np.uint8)
    two[1] = 7
    from napari_centermask.widgets.viewer.planes import CHANNEL_AXIS

    opened.viewer.add_image(two, name="two", scale=(1, 0.5, 0.5), metadata={CHANNEL_AXIS: 0})
    edits = opened.take()
    assert opened.parts.image.data.shape[0] == 2
    assert edits.planes.n_channels == 2
    delete(edits, 9)
    opened.put()
    assert 9 not in opened.cells()


def test_a_plane_of_a_stack_is_corrected_at_its_place(bare_viewer, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(large_reader, "LARGEST_IN_MEMORY", 1_000_000)
    planes = {(t,): field_cells(1 + 9 * t) for t in range(3)}
    opened = Opened(bare_viewer, write_field(tmp_path, planes, leading=(3,)).cells, qtbot)
    bare_viewer.dims.set_current_step(0, 2)
    opened.look(490, 490, 560, 560)
    edits = opened.take()
    assert sorted(c.id for c in edits.result) == [20, 21, 27]
    assert opened.parts.image.translate[0] == 2
    delete(edits, 27)
    opened.put()
    source = CellsOnDisk.open(opened.path)
    assert sorted(everything(source, (2,))) == list(range(19, 27))
    assert len(everything(source, (1,))) == 9


def test_too_much_in_view_and_nothing_in_view_say_what_to_do(opened, monkeypatch, notices):
    from napari_centermask.core.errors import BadImage

    monkeypatch.setattr(large_parts, "MOST_IN_VIEW", 1_000_000)
    opened.look(0, 0, *SHAPE)
    with pytest.raises(BadImage, match=r"1 megapixels are in view. Zoom in until at most 1 megapixels are"):
        opened.parts.start()
    opened.look(0, 0, 1, 1)
    with pytest.raises(BadImage, match="is in view"):
        opened.parts.start()
    assert not opened.parts.runner.is_running


def test_what_was_not_put_back_comes_again(opened, notices, make_napari_viewer):
    edits = opened.take()
    delete(edits, 9)
    edits.add(np.ones((5, 5), bool), (0, 0))
    opened.viewer.layers.remove(opened.parts.image)
    opened.wait()
    opened.qtbot.waitUntil(lambda: opened.names == ["field cells_0", "field cells_1", "field cells_2"])
    assert any("'Correct what is in view' brings its corrections again" in text for text in notices())
    assert sorted(opened.cells()) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    large_reader.lazy_layers(opened.path)
    assert any("has corrections that were never put back" in text for text in notices())
    opened.look(0, 0, 60, 60)
    edits = opened.take()
    assert sorted(c.id for c in edits.result) == [2, 3, 10]
    assert any("were never put back, and are here again" in text for text in notices())
    opened.put()
    assert sorted(opened.cells()) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert sorted(c.id for c in opened.take().result) == [1]


def test_a_discarded_part_does_not_come_again(opened):
    edits = opened.take()
    delete(edits, 9)
    opened.parts.discard()
    opened.wait()
    assert opened.names == ["field cells_0", "field cells_1", "field cells_2"]
    edits = opened.take()
    assert sorted(c.id for c in edits.result) == [2, 3, 9]
    assert edits.history.undo_name is None


def test_a_part_that_cannot_be_written_stays_and_is_put_back_later(opened, monkeypatch, notices):
    edits = opened.take()
    delete(edits, 9)
    with monkeypatch.context() as patch:

        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        patch.setattr(cell_correction.Correction, "_count", full)
        opened.put()
    assert opened.parts.image in opened.viewer.layers
    assert any("No space left" in text for text in notices())
    edits.add(np.ones((5, 5), bool), (0, 0))
    opened.put()
    assert sorted(opened.cells()) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert_consistent(opened.path)


def test_a_part_in_another_window_is_named(opened, notices):
    other = LargeCorrection(opened.path)
    opened.parts.start()
    opened.wait()
    assert any("being corrected in another window" in text for text in notices())
    other.end()
    assert opened.take().result.n_visible() == 3


def test_an_edit_waits_for_the_writing(opened, notices):
    from napari_centermask.core.errors import ReadOnlyProject

    edits = opened.take()
    delete(edits, 9)
    opened.parts.put_back()
    with pytest.raises(ReadOnlyProject, match="being put back"):
        edits.history.do("late", [Change((), 2, edits.result.get((), 2), None)])
    opened.wait()
    assert 2 in opened.cells()


def test_the_dock_has_the_buttons_only_with_a_large_image(bare_viewer, tmp_path, qtbot, monkeypatch):
    from qtpy.QtWidgets import QMessageBox

    from napari_centermask.widgets.edit.dock import CorrectDock

    monkeypatch.setattr(large_reader, "LARGEST_IN_MEMORY", 1_000_000)
    dock = CorrectDock(bare_viewer)
    bare_viewer.window.add_dock_widget(dock, name="Correct")
    assert dock.part.isHidden()
    opened = Opened(bare_viewer, write_field(tmp_path).cells, qtbot)
    assert not dock.part.isHidden()
    opened.look(490, 490, 560, 560)
    bare_viewer.dims.ndisplay = 3
    assert not dock.part.take.isEnabled()
    bare_viewer.dims.ndisplay = 2
    assert dock.part.take.isEnabled()
    opened.look(490, 490, 560, 560)
    dock.part.take.click()
    opened.wait()
    assert dock.image.layer is opened.parts.image
    assert dock.part.take.isHidden()
    assert dock.part.put.isEnabled()
    delete(dock.edits, 9)
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Discard]
    monkeypatch.setattr(QMessageBox, "question", lambda *arguments: answers.pop(0))
    dock.part.discard.click()
    assert opened.parts.image is not None
    dock.part.discard.click()
    opened.wait()
    assert opened.parts.image is None
    assert dock.part.put.isHidden()
    assert 9 in opened.cells()
    for layer in list(opened.lazy):
        bare_viewer.layers.remove(layer)
    assert dock.part.isHidden()


def test_only_what_the_camera_shows_is_taken_not_all_chunks_that_it_touches(opened):
    canvas = opened.viewer.window._qt_viewer.canvas
    camera = getattr(opened.viewer, "scene", opened.viewer).camera
    h, w = canvas.size
    camera.zoom = w / 40  # 80 pixels of half a micrometre
    camera.center = (0, 260, 262)
    opened.look(0, 0, *SHAPE)
    opened.parts.start()
    opened.wait()
    (y0, x0, y1, x1) = opened.parts._taken.part.box
    assert (x0, x1) == (484, 565)
    assert (y0 + y1) / 2 == pytest.approx(520, abs=1)
    assert y1 - y0 == pytest.approx(80 * h / w, abs=2)
