"""An image that is larger than memory runs into a folder, and its cells open from there."""

import dask.array as da
import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_centermask.core.errors import BadImage
from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.large_cells import STATE
from napari_centermask.widgets.segment import large
from napari_centermask.widgets.segment.controls import ALL, PLANE, VIEW
from napari_centermask.widgets.segment.large import disk_image, why_large
from napari_centermask.widgets.viewer import large_reader
from napari_centermask.widgets.viewer.planes import ImagePlanes

pytestmark = pytest.mark.usefixtures("plugin")
pytest.importorskip("zarr")
pytest.importorskip("pyarrow")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that is chosen; every image is too large for memory."""
    monkeypatch.setattr(large, "too_large", lambda shape, n_bytes: "0 megapixels, more than -1")
    monkeypatch.setattr(large_reader, "LARGEST_IN_MEMORY", 0)
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    return folder


def ids(layer):
    data = layer.data[0] if layer.multiscale else layer.data
    return set(np.unique(np.asarray(data)).tolist()) - {0}


def test_a_run_on_a_large_image_writes_its_cells_to_a_folder_and_opens_them(viewer, dock, run_to_end, discs, folder):
    viewer.add_image(da.from_array(discs()), name="discs", scale=(0.5, 0.5), translate=(3, 4))
    dock._refresh()
    assert "Run asks for a folder" in dock.image.unseen.text()
    run_to_end()
    cells = CellsOnDisk.open(folder / "discs_cells.ome.zarr")
    assert sum(1 for _ in cells.table.rows()) == 3
    (layer,) = [layer for layer in viewer.layers if layer.name.startswith("discs cells_")]
    assert ids(layer) == {1, 2, 3}
    assert (layer.scale.tolist(), layer.translate.tolist()) == ([0.5, 0.5], [3, 4])
    assert "3 cells" in dock.run.status.text()
    assert str(folder) in dock.run.status.text()
    assert dock.session.shown(viewer.layers["discs"]) is None  # nothing of it is in memory


def test_a_run_that_was_cancelled_goes_on_in_the_same_folder(viewer, dock, qtbot, run_to_end, discs, folder):
    image = np.tile(discs(), (6, 1))
    viewer.add_image(da.from_array(image), name="discs")
    dock.advanced.form.set_value({"tile": 128})
    dock.run.start.click()
    places = folder / "discs_cells.ome.zarr"
    qtbot.waitUntil(lambda: (places / STATE).exists(), timeout=20_000)
    dock.run.cancel.click()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=20_000)
    assert "Run again with the same folder" in dock.run.status.text()
    run_to_end()
    assert sum(1 for _ in CellsOnDisk.open(places).table.rows()) == 18
    assert not (places / STATE).exists()


def test_cells_of_another_run_are_replaced_only_after_a_question(viewer, dock, run_to_end, discs, folder, monkeypatch):
    viewer.add_image(da.from_array(discs()), name="discs")
    run_to_end()
    questions = []

    def answer(parent, title, text, buttons):
        questions.append(text)
        return QMessageBox.StandardButton.Cancel

    monkeypatch.setattr(QMessageBox, "question", answer)
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    dock.run.start.click()
    assert not dock.session.runner.is_running
    assert "discs_cells.ome.zarr has the cells of another run" in questions[0]
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Discard)
    run_to_end()
    assert len([layer for layer in viewer.layers if layer.name.startswith("discs cells_")]) == 1


def test_layers_that_a_correction_added_make_way_too(viewer, dock, run_to_end, discs, folder):
    viewer.add_image(da.from_array(discs()), name="discs")
    stale = viewer.add_labels(
        np.zeros((128, 128), int), metadata={large_reader.LARGE: str(folder / "discs_cells.ome.zarr")}
    )
    run_to_end()
    assert stale not in viewer.layers


def test_nothing_runs_without_a_folder(viewer, dock, discs, folder, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    viewer.add_image(da.from_array(discs()), name="discs")
    dock.run.start.click()
    assert not dock.session.runner.is_running
    assert list(folder.iterdir()) == []


def test_parts_and_smaller_images_run_in_memory(viewer):
    source = viewer.add_image(da.zeros((20_000, 11_000), np.uint8, chunks=1000), name="slide")
    planes = ImagePlanes.of(source)
    assert why_large(planes, PLANE) == "220 megapixels, more than 200"
    assert why_large(planes, VIEW) == ""
    assert why_large(None, PLANE) == ""
    assert why_large(ImagePlanes(np.zeros((2000, 2000), np.uint8)), PLANE) == ""


@pytest.mark.parametrize(
    ("shape", "channel", "rgb", "scope", "axes", "sizes"),
    [
        ((5, 6), None, False, PLANE, "YX", (5, 6)),
        ((2, 5, 6), 0, False, PLANE, "CYX", (2, 5, 6)),
        ((3, 5, 6), None, False, ALL, "ZYX", (3, 5, 6)),
        ((3, 5, 6), None, False, PLANE, "YX", (5, 6)),
        ((4, 2, 3, 5, 6), 1, False, ALL, "TCZYX", (4, 2, 3, 5, 6)),
        ((4, 2, 3, 5, 6), 1, False, PLANE, "CYX", (2, 5, 6)),
        ((3, 5, 6, 4), None, True, ALL, "ZYXS", (3, 5, 6, 3)),
    ],
)
def test_axes_of_the_layer_are_those_of_the_image(viewer, shape, channel, rgb, scope, axes, sizes):
    source = viewer.add_image(np.zeros(shape, np.uint8), name="a/b", rgb=rgb)
    planes = ImagePlanes.of(source, channel_axis=channel)
    index = (1,) * len(planes.leading)
    image = disk_image(source, planes, scope, index)
    assert (image.axes, image.data.shape) == (axes, sizes)
    assert "/" not in image.name


def test_more_axes_than_time_and_z_are_refused(viewer):
    source = viewer.add_image(np.zeros((2, 2, 2, 5, 6), np.uint8), name="many")
    with pytest.raises(BadImage, match="3 axes of planes; two can be written. Choose 'This plane'"):
        disk_image(source, ImagePlanes.of(source), ALL, (0, 0, 0))
