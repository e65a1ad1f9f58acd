"""An export reopens with its images: where the file says, or as soon as the image is opened."""

from __future__ import annotations

import numpy as np
import pytest
from cell_files import PLUGIN, overlapping, save_image

from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_place import with_place
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.formats import FORMATS
from napari_centermask.widgets.viewer.state import session_of

pytestmark = pytest.mark.usefixtures("plugin")
BOTH = ["field", "field cells", "field outlines"]


def names(viewer):
    return [layer.name for layer in viewer.layers]


def open_image(viewer, name="field", shape=(40, 50)):
    return viewer.add_image(np.zeros(shape, np.uint8), name=name).__wrapped__


def session(viewer):
    return session_of(viewer.__wrapped__)


def test_cells_in_another_folder_open_on_the_image_that_the_file_names(viewer, tmp_path, qtbot):
    save_image(tmp_path)
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "cells.json"
    result = overlapping()
    write_coco(file, records_of(result, "field.png", extra=with_place({}, tmp_path / "field.png", file, "field.png")))
    viewer.open(file, plugin=PLUGIN)
    qtbot.waitUntil(lambda: session(viewer).result(viewer.layers["field"].__wrapped__) is not None, timeout=60_000)
    assert names(viewer) == BOTH
    assert viewer.layers["field"].data.shape == (40, 50)


def test_an_image_that_is_opened_later_gets_its_waiting_cells_and_that_is_said(viewer, tmp_path, qtbot, notices):
    FORMATS["coco"].write(tmp_path / "cells.json", [overlapping(), overlapping("other.png")])
    viewer.open(tmp_path / "cells.json", plugin=PLUGIN)
    assert names(viewer) == ["field cells", "field outlines", "other cells", "other outlines"]
    assert "field.png, other.png not found" in notices()[-1]
    open_image(viewer)
    qtbot.waitUntil(lambda: session(viewer).result(viewer.layers["field"].__wrapped__) is not None, timeout=60_000)
    assert sorted(names(viewer)) == sorted([*BOTH, "other cells", "other outlines"])
    assert notices()[-1] == "'field' is shown with its 2 cells from cells.json."
    assert len(session(viewer).result(viewer.layers["field"].__wrapped__)) == 2


@pytest.mark.parametrize(("name", "shape"), [("unlike", (40, 50)), ("field", (40, 51))])
def test_another_image_leaves_the_cells_waiting(viewer, tmp_path, qtbot, name, shape):
    FORMATS["coco"].write(tmp_path / "cells.json", [overlapping()])
    viewer.open(tmp_path / "cells.json", plugin=PLUGIN)
    other = open_image(viewer, name, shape)
    right = open_image(viewer, "field.png")
    qtbot.waitUntil(lambda: session(viewer).result(right) is not None, timeout=60_000)
    assert session(viewer).result(other) is None


def test_an_image_that_already_has_cells_keeps_them(viewer, tmp_path):
    image = open_image(viewer)
    FORMATS["coco"].write(tmp_path / "cells.json", [overlapping()])
    viewer.open(tmp_path / "cells.json", plugin=PLUGIN)  # joined to the open image
    first = session(viewer).result(image)
    assert first is not None
    viewer.open(tmp_path / "cells.json", plugin=PLUGIN)
    assert session(viewer).result(image) is first
