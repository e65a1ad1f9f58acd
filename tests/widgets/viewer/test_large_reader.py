"""The cells of a large image open without being read."""

import numpy as np
import pytest
from cell_files import PLUGIN, overlapping

from napari_centermask.io.large_cells import LargeForm, LargePlaces, LargeWriter
from napari_centermask.widgets.viewer import large_reader

pytestmark = pytest.mark.usefixtures("plugin")
pytest.importorskip("zarr")
pytest.importorskip("pyarrow")


@pytest.fixture
def places(tmp_path):
    result = overlapping()
    places = LargePlaces.named(tmp_path, "field")
    form = LargeForm("field", (), (2000, 1500), result.categories, pixel_sizes_um=(0.5, 0.5))
    writer = LargeWriter(places, form)
    writer.put((), list(result.plane(())), 2000)
    for _ in writer.finish():
        pass
    return places


def test_label_images_open_in_several_sizes_without_hiding_cells(viewer, places, monkeypatch):
    monkeypatch.setattr(large_reader, "LARGEST_IN_MEMORY", 1_000_000)
    first, second = viewer.open(places.cells, plugin=PLUGIN)
    assert [layer.name for layer in (first, second)] == ["field cells_0", "field cells_1"]
    assert [level.shape for level in first.data] == [(2000, 1500), (1000, 750)]
    assert first.scale.tolist() == [0.5, 0.5]
    cells = {c.id: c for c in overlapping().plane(())}
    areas = [np.unique(np.asarray(layer.data[0]), return_counts=True) for layer in (first, second)]
    found = {int(k): int(n) for ids, counts in areas for k, n in zip(ids, counts, strict=True) if k}
    assert found == {id: cell.area for id, cell in cells.items()}


def test_those_of_a_smaller_image_open_whole(viewer, places):
    assert large_reader.lazy_layers(places.cells) == []
    layers = viewer.open(places.cells, plugin=PLUGIN)
    assert [layer.name for layer in layers] == ["field cells", "field outlines"]
