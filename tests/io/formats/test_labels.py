"""Label images, of ours and of other programs."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.files import read_files


@pytest.mark.parametrize(
    "value",
    [True, np.uint8(1), np.uint8(255), np.uint16(65_535), np.float32(255)],
    ids=["bool", "1", "255", "65535", "float"],
)
def test_the_blobs_of_a_binary_mask_are_cells_and_it_is_said(tmp_path, value):
    mask = np.zeros((2, 20, 20), np.asarray(value).dtype)
    mask[0, 2:6, 2:6] = mask[0, 6:9, 6:9] = mask[0, 12:15, 12:15] = mask[1, 4:7, 4:7] = value
    np.save(tmp_path / "f_mask.npy", mask)
    reading = FORMATS["labels"].read(tmp_path / "f_mask.npy")
    (result,) = reading.results
    assert [len(plane) for plane in result.planes.values()] == [2, 1]
    assert "its 3 separate parts are read as cells" in reading.notes[0]


def test_labels_in_separate_parts_stay_one_cell_and_are_counted(tmp_path):
    labels = np.zeros((20, 20), np.uint16)
    labels[2:5, 2:5] = labels[10:13, 10:13] = 1
    labels[2:5, 12:15] = 2
    np.save(tmp_path / "f_labels.npy", labels)
    reading = FORMATS["labels"].read(tmp_path / "f_labels.npy")
    assert len(reading.results[0]) == 2
    assert reading.notes == ("1 of 2 labels in separate parts; each label is read as one cell.",)


def test_labels_of_other_programs_are_read_whatever_their_type(tmp_path):
    import tifffile

    labels = np.zeros((3, 10, 12), np.float32)
    labels[:, 2:5, 3:6] = 7
    tifffile.imwrite(tmp_path / "field_masks.tif", labels, photometric="minisblack", metadata={"axes": "ZYX"})
    (result,) = FORMATS["labels"].read(tmp_path / "field_masks.tif").results
    assert (result.name, result.leading, len(result)) == ("field", (3,), 3)
    assert sorted(c.id for c in result) == [7, 8, 9]
    tifffile.imwrite(tmp_path / "image.tif", labels + 0.5, photometric="minisblack")
    with pytest.raises(BadAnnotations, match="Is it an image"):
        FORMATS["labels"].read(tmp_path / "image.tif")


@pytest.mark.parametrize(
    ("labels", "image"),
    [
        ("01_GT/SEG/man_seg007.tif", "01/t007.tif"),
        ("01_ST/SEG/man_seg007.tif", "01/t007.tif"),
        ("02_GT/TRA/man_track0007.tif", "02/t0007.tif"),
        ("02_RES/mask007.tif", "02/t007.tif"),
        ("masks/a.tif", "images/a.tif"),
        ("train/masks/a.tif", "train/images/a.tif"),
        ("masks/train/a.tif", "images/train/a.tif"),
        ("a_masks.tif", "a.tif"),
        ("a_cp_masks.tif", "a.png"),
    ],
)
def test_labels_of_other_tools_find_their_image(tmp_path, labels, image):
    for name in (labels, image):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((20, 30), np.uint16)
    values[2:5, 3:9] = 300
    tifffile.imwrite(tmp_path / labels, values)
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / image)
    _, reading = read_files(tmp_path / labels)
    assert reading.results[0].name == (tmp_path / image).name
    assert [c.area for c in reading.results[0]] == [18]
    assert reading.files[1] == tmp_path / image
