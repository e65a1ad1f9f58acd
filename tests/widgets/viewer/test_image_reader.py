"""Microscopes' own files open in napari, and their cells know which image of the file they belong to."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cell_files import PLUGIN

from napari_centermask.core.errors import MissingExtra
from napari_centermask.io import bio
from napari_centermask.widgets.viewer import image_reader
from napari_centermask.widgets.viewer.measured import measured_layer
from napari_centermask.widgets.viewer.planes import ImagePlanes, guess_channel_axis
from napari_centermask.widgets.viewer.shown import file_name, image_path

pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture
def tick(monkeypatch):
    """The images that are ticked in the dialog: `tick("Series 1")`."""

    def choose(*names):
        monkeypatch.setattr(image_reader, "ask_scenes", lambda path: [path / name for name in names])

    return choose


def test_the_chosen_images_open_with_channels_and_pixel_sizes(viewer, lif, tick):
    path, stack, plane = lif(pixel_um=0.25)
    tick("Series 1", "Series_2_x")
    one, two = viewer.open(path, plugin=PLUGIN)
    np.testing.assert_array_equal(one.data, stack)
    np.testing.assert_array_equal(two.data, plane)
    assert (one.name, two.name) == ("slide_Series 1", "slide_Series_2_x")
    assert one.axis_labels == ("c", "z", "y", "x")
    assert one.metadata["channel_names"] == ["Green", "Red"]
    np.testing.assert_allclose(one.scale, [1, 1, 0.25, 0.25])
    assert [str(u) for u in one.units] == ["pixel", "pixel", "micrometer", "micrometer"]
    layer = one.__wrapped__ if hasattr(one, "__wrapped__") else one
    planes = ImagePlanes.of(layer, channel_axis=guess_channel_axis(layer))
    assert (planes.leading, planes.n_channels) == ((3,), 2)
    assert image_path(layer) == str(path / "Series 1")
    assert file_name(layer) == "slide.lif/Series 1"


def test_nothing_opens_after_cancel(viewer, lif, tick):
    path, *_ = lif()
    tick()
    viewer.open(path, plugin=PLUGIN)
    assert len(viewer.layers) == 0


def test_cells_are_saved_and_measured_under_the_name_of_the_image(viewer, lif, tick, dock, run_to_end, tmp_path, discs):
    from lif_files import write_lif

    lif()
    values = (discs() * 255).astype(np.uint8)
    path = write_lif(tmp_path / "plate.lif", {"A": (values, "YX"), "B": (values, "YX")}, names=("Green",))
    tick("B")
    viewer.open(path, plugin=PLUGIN)
    run_to_end()
    shown = dock.session.shown(dock.source)
    assert shown.result.name == "plate.lif/B"
    measured = measured_layer(shown, None)
    assert (measured.channels, measured.pixel_size_um, measured.path) == (("Green",), 0.5, path / "B")
    viewer.layers["plate_B cells"].save(str(tmp_path / "out.json"), plugin=PLUGIN)
    text = json.loads((tmp_path / "out.json").read_text())
    assert [i["file_name"] for i in text["images"]] == ["plate.lif/B"]
    assert len(text["annotations"]) == 3


def test_what_is_missing_is_named_where_no_other_plugin_reads_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(bio, "readable", frozenset)
    path = tmp_path / "a.czi"
    path.write_bytes(b"x")
    monkeypatch.setattr(image_reader, "is_for_us_alone", lambda path: False)
    assert image_reader.get_reader(str(path)) is None
    monkeypatch.setattr(image_reader, "is_for_us_alone", lambda path: True)
    with pytest.raises(MissingExtra, match="bioio-czi"):
        image_reader.get_reader(str(path))(str(path))


@pytest.mark.parametrize("name", ["a.tif", "gone.lif"])
def test_other_files_are_left_to_others(tmp_path, name):
    (tmp_path / "a.tif").write_bytes(b"x")
    assert image_reader.get_reader(str(tmp_path / name)) is None
    assert image_reader.get_reader([str(tmp_path / name)]) is None
