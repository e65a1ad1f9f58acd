"""An image of two channels with cells, and the Measure dock on it."""

import numpy as np
import pytest
import tifffile

from napari_centermask.core.instances import Instances
from napari_centermask.core.result import Result
from napari_centermask.widgets.viewer.planes import ImagePlanes

SHAPE = (120, 150)


@pytest.fixture
def crowd(cells):
    """Cells of two categories by plane, with ids that no other plane uses."""
    from dataclasses import replace

    def crowd(plane=0, n=20):
        made = cells(n=n, overlap=0.3, shape=SHAPE, radius=9, seed=plane)
        return [replace(c, id=100 * plane + c.id, category=1 + c.id % 2) for c in made]

    return crowd


@pytest.fixture
def open_measure(viewer, qtbot, crowd, tmp_path):
    """The dock on an image that lies in a file, after its cells were measured."""
    from napari_centermask.widgets.measure.dock import MeasureDock
    from napari_centermask.widgets.viewer.state import session_of

    docks = []

    def opened(*, planes=1, n=20):
        pixels = np.random.default_rng(0).integers(0, 4000, (planes, 2, *SHAPE)).astype(np.uint16)
        path = tmp_path / "field.tif"
        about = {"axes": "TCYX"[planes == 1 :], "Labels": ["DAPI", "GFP"] * planes, "unit": "um"}
        tifffile.imwrite(path, pixels if planes > 1 else pixels[0], imagej=True, resolution=(2, 2), metadata=about)
        data = tifffile.imread(path)
        labels = ("t", "c", "y", "x")[-data.ndim :]
        names = {"channel_names": ["DAPI", "GFP"]}
        image = viewer.add_image(
            data, name="field.tif", axis_labels=labels, scale=(1,) * (data.ndim - 2) + (0.5, 0.5), metadata=names
        ).__wrapped__
        image.units = (*("pixel",) * (data.ndim - 2), "um", "um")
        view = ImagePlanes.of(image, channel_axis=labels.index("c"))
        result = Result(SHAPE, leading=view.leading, name="field.tif")
        for plane, index in enumerate(view.indices()):
            found = Instances(SHAPE, crowd(plane, n), categories={1: "nucleus", 2: "dead nucleus"})
            result.put(index, found, keep_ids=True)
        result.categories = {1: "nucleus", 2: "dead nucleus"}
        session_of(viewer).attach(image, view, result)
        dock = MeasureDock(viewer)
        viewer.window.add_dock_widget(dock, name="CenterMask: Measure")
        docks.append(dock)
        wait(dock)
        return dock

    def wait(dock):
        qtbot.waitUntil(lambda: not (dock.runner.is_running or dock._later.isActive()), timeout=30_000)

    opened.wait = wait
    yield opened
    for dock in docks:
        session_of(viewer).settle()
        wait(dock)


@pytest.fixture
def edits(viewer):
    """The correction of the image of a dock."""
    from napari_centermask.widgets.edit.correction import edit_session_of

    return lambda dock: edit_session_of(dock.session, dock.image.layer)
