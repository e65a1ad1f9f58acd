"""Images of OME-Zarr, 0.4 and 0.5: single ones, plates and collections."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.core.errors import BadImage, MissingExtra
from napari_centermask.io.image_files import image_files
from napari_centermask.io.images import read_channel_names, read_header, read_image

zarr = pytest.importorskip("zarr")
BOTH = pytest.mark.parametrize("version", ["0.4", "0.5"])
AXES = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
AXES += [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]


def describe(group, version, values):
    group.attrs.update(values if version == "0.4" else {"ome": {"version": version, **values}})


def add_image(group, version, data, axes="tczyx", names=()):
    listed = [a for a in AXES if a["name"] in axes]
    scale = {"type": "scale", "scale": [250.0] * len(listed)}
    scales = [{"axes": listed, "datasets": [{"path": "s0", "coordinateTransformations": [scale]}, {"path": "s1"}]}]
    channels = {"omero": {"channels": [{"label": name} for name in names]}} if names else {}
    describe(group, version, {"multiscales": scales} | channels)
    group.create_array("s0", shape=data.shape, dtype=data.dtype)[...] = data


def new(path, version):
    return zarr.open_group(store=str(path), mode="w", zarr_format=2 if version == "0.4" else 3)


@BOTH
def test_an_image_is_read_in_full_size_with_channels_and_pixel_size(tmp_path, version):
    data = np.arange(2 * 1 * 3 * 20 * 24, dtype=np.uint16).reshape(1, 2, 3, 20, 24)
    add_image(new(tmp_path / "a.ome.zarr", version), version, data, names=("DAPI", "GFP"))
    image = read_image(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(image.data, data[0])
    assert (image.axes, image.name) == ("CZYX", "a.ome")
    assert (image.channel_names, image.pixel_size_um) == (("DAPI", "GFP"), pytest.approx(0.25))
    assert read_channel_names(tmp_path / "a.ome.zarr") == ["DAPI", "GFP"]
    header = read_header(tmp_path / "a.ome.zarr")
    assert (header.data.shape, header.axes) == (image.data.shape, "CZYX")
    assert not any(header.data.strides)


@BOTH
def test_the_fields_of_a_plate_are_images_each(tmp_path, version):
    root = new(tmp_path / "p.zarr", version)
    describe(root, version, {"plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}]}})
    for n, way in enumerate(("A/1", "B/2")):
        well = root.create_group(way)
        describe(well, version, {"well": {"images": [{"path": "0"}]}})
        add_image(well.create_group("0"), version, np.full((20, 24), n, np.uint8), "yx")
    path = tmp_path / "p.zarr"
    assert image_files(path) == [path / "A" / "1" / "0", path / "B" / "2" / "0"]
    assert image_files(path, scenes=["B/2/0"]) == [path / "B" / "2" / "0"]
    assert image_files(path / "A" / "1") == [path / "A" / "1"]  # its only field
    assert read_image(path / "B" / "2" / "0").data.max() == 1
    assert read_image(path / "B" / "2").name == "p_B_2_0"
    with pytest.raises(BadImage, match=r"holds 2 images: A/1/0, B/2/0\. Choose one"):
        read_image(path)


def test_axes_can_be_given(tmp_path):
    add_image(new(tmp_path / "a.zarr", "0.4"), "0.4", np.zeros((3, 20, 24), np.uint8), "zyx")
    assert read_image(tmp_path / "a.zarr", axes="CYX").axes == "CYX"


@pytest.mark.parametrize(
    "scales",
    [
        None,
        [],
        [{"datasets": [{"path": "../../outside"}]}],
        [{"datasets": [{"path": "gone"}]}],
        [{"datasets": [{"path": "s0"}], "axes": [{"name": "q"}, {"name": "x"}]}],
        [{"datasets": [{"path": "s0", "coordinateTransformations": 7}]}],
    ],
)
def test_a_damaged_one_is_refused(tmp_path, scales):
    root = new(tmp_path / "a.zarr", "0.4")
    root.create_array("s0", shape=(4, 5), dtype="uint8")
    root.attrs.update({} if scales is None else {"multiscales": scales})
    with pytest.raises(BadImage, match=r"a\.zarr cannot be read as an OME-Zarr image"):
        read_image(tmp_path / "a.zarr")


def test_one_beyond_the_memory_is_refused_before_it_is_read(tmp_path):
    root = new(tmp_path / "a.zarr", "0.5")
    describe(root, "0.5", {"multiscales": [{"datasets": [{"path": "0"}]}]})
    root.create_array("0", shape=(10**6, 10**6, 10**3), chunks=(1, 10**3, 10**3), dtype="uint8")
    with pytest.raises(BadImage, match="of memory"):
        read_image(tmp_path / "a.zarr")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    add_image(new(tmp_path / "a.zarr", "0.4"), "0.4", np.zeros((20, 24), np.uint8), "yx")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtra, match=r"\[formats\]"):
        read_image(tmp_path / "a.zarr")
