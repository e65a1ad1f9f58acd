"""Results of segmentation that lie among the images are no images."""

import shutil

import numpy as np
import pytest
import tifffile

from napari_centermask.core.compose import label_image
from napari_centermask.core.errors import BadImage
from napari_centermask.io.image_files import image_files, images_in

NOISE = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype(np.uint16)


@pytest.mark.parametrize(
    "name",
    [
        *("i_labels.tif", "i_classes.tif", "i_errors.png", "i_seg.npy", "i_cp_masks.png", "i_cp_masks.tif"),
        *("i_flows.tif", "i_cp_output.png", "i_outlines.png", "i_masks.tif", "i_mask.png", "i_label.tif"),
        *("i_stardist.tif", "i.stardist.tif", "i_labels_stardist.tif", "i-labels.png", "Label Image.tif", "mask_i.tif"),
        *("i_Simple Segmentation.tif", "i_Object Predictions.tiff", "i_Probabilities.tiff", "i_Object Identities.tif"),
        *("i_Simple_Segmentation.png", "flat_field.tif", "labels.tif", "i.tif_labels.tif", "i_label-image.tif"),
        *("Labels of i.tif", "Labels of i.tif.tif", "labels of i.png"),
    ],
)
def test_results_are_left_out_by_their_names_and_can_be_named(tmp_path, name):
    for file in ("i.tif", name):
        tifffile.imwrite(tmp_path / file, NOISE)
    inside = images_in(tmp_path)
    assert [p.name for p in inside.images] == ["i.tif"]
    assert [p.name for p in inside.results] == [name]
    said = []
    assert image_files(tmp_path, said.append) == [tmp_path / "i.tif"]
    assert name in said[0]
    assert "Name a file itself to use it" in said[0]
    assert image_files(tmp_path / name, said.append) == [tmp_path / name]


@pytest.mark.parametrize(
    "name",
    ["i_2.tif", "i2.tif", "masked.tif", "labelled cells.tif", "segments.tif", "i_DAPI.tif", "unmask.tif", "i-b.png"],
)
def test_images_whose_names_are_alike_stay(tmp_path, name):
    for file in ("i.tif", name):
        tifffile.imwrite(tmp_path / file, NOISE)
    assert {p.name for p in images_in(tmp_path).images} == {"i.tif", name}


def test_labels_under_another_name_are_known_by_their_pixels(tmp_path, cells):
    tifffile.imwrite(tmp_path / "i.tif", NOISE)
    tifffile.imwrite(tmp_path / "i_n42.tif", label_image(cells(n=8, shape=(64, 64), radius=6)).astype(np.uint16))
    tifffile.imwrite(tmp_path / "j.tif", label_image(cells(n=8, shape=(64, 64), radius=6)).astype(np.uint16))
    assert {p.name for p in images_in(tmp_path).images} == {"i.tif", "j.tif"}  # nothing says what j was made from


def test_a_folder_of_results_alone_is_refused_with_the_way_out(tmp_path):
    tifffile.imwrite(tmp_path / "i_labels.tif", NOISE)
    with pytest.raises(BadImage, match=r"i_labels.tif\). Name a file itself"):
        image_files(tmp_path)


def test_what_is_not_an_image_or_hidden_is_skipped_and_2_comes_before_10(tmp_path):
    for name in ("a10.tif", "a2.tif", ".a.tif"):
        tifffile.imwrite(tmp_path / name, NOISE)
    (tmp_path / "a.txt").touch()
    (tmp_path / "b.tif").mkdir()
    assert [p.name for p in image_files(tmp_path)] == ["a2.tif", "a10.tif"]


def test_own_output_of_an_image_is_not_an_image(tmp_path, shared):
    shutil.copytree(shared / "faults" / "own_output" / "in", tmp_path / "in")
    tifffile.imwrite(tmp_path / "in" / "i_labels.tif", NOISE)
    assert [p.name for p in image_files(tmp_path / "in")] == ["i.tif"]


def test_links_that_lead_nowhere_are_named(tmp_path):
    tifffile.imwrite(tmp_path / "i.tif", NOISE)
    (tmp_path / "gone.tif").symlink_to(tmp_path / "moved" / "gone.tif")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "moved" / "notes.txt")
    said = []
    assert image_files(tmp_path, said.append) == [tmp_path / "i.tif"]
    (text,) = said
    assert "1 link to files that do not exist (gone.tif)" in text
    (tmp_path / "i.tif").unlink()
    with pytest.raises(BadImage, match=r"has no images .*gone\.tif"):
        image_files(tmp_path)
