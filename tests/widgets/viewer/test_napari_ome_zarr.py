"""What is written as OME-Zarr opens in the plugin napari-ome-zarr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cell_files import overlapping
from napari.layers import Image, Labels

from napari_centermask.io.formats import FORMATS
from napari_centermask.widgets.viewer import writer

pytest.importorskip("napari_ome_zarr", reason="the plugin napari-ome-zarr is not installed")
OTHER = "napari-ome-zarr"


@pytest.fixture
def other(npe2pm):
    """That plugin, and no other."""
    import napari_ome_zarr

    with npe2pm.tmp_plugin(manifest=Path(napari_ome_zarr.__file__).parent / "napari.yaml"):
        yield


@pytest.mark.parametrize("name", ["ome-zarr", "ome-zarr-0.5"])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)], ids=str)
def test_every_cell_is_whole_in_the_layers_that_open(viewer, other, tmp_path, name, leading):
    result = overlapping(leading=leading)
    FORMATS[name].write(tmp_path / "field.ome.zarr", [result])
    image, *labels = viewer.open(tmp_path / "field.ome.zarr", plugin=OTHER)
    assert isinstance(image, Image)
    assert np.asarray(image.data).max() == 2  # cells on one pixel
    assert len(labels) == 2
    assert all(isinstance(layer, Labels) for layer in labels)
    values = [np.asarray(layer.data) for layer in labels]
    assert {layer.shape for layer in values} == {(*leading, 40, 50)}
    areas = {int(v): int((layer == v).sum()) for layer in values for v in np.unique(layer) if v}
    assert areas == {cell.id: cell.area for index in result.planes for cell in result.plane(index)}


def test_version_0_5_is_written_from_a_label_layer_on_request(tmp_path):
    data = np.zeros((8, 9), np.int32)
    data[2:5, 3:6] = 4
    writer.write_ome_zarr_05(str(tmp_path / "a.zarr"), data, {"name": "a"})
    assert (tmp_path / "a.zarr" / "zarr.json").is_file()
    (result,) = FORMATS["ome-zarr-0.5"].read(tmp_path / "a.zarr").results
    assert [(c.id, c.area) for c in result] == [(4, 9)]
