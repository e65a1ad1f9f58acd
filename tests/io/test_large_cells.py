"""What a run over a large image leaves opens, whatever it found."""

import pytest

from napari_centermask.io.formats.cells_on_disk import CellsOnDisk
from napari_centermask.io.large_cells import LargeForm, LargePlaces, LargeWriter

pytest.importorskip("zarr")
pytest.importorskip("pyarrow")


def test_an_image_without_cells_opens_as_one_without_cells(tmp_path):
    places = LargePlaces.named(tmp_path, "field")
    writer = LargeWriter(places, LargeForm("field", (), (64, 64), {1: "cell"}))
    writer.put((), [], 64)
    for _ in writer.finish():
        pass
    assert CellsOnDisk.open(places.cells).cells((0, 0, 64, 64)) == []
    assert places.table.is_dir()  # which says that the image is done
