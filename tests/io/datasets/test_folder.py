"""A folder of annotated images is opened in one way, whatever tool made it."""

import pytest

import other_tools as tools
from napari_centermask import cli
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.datasets.folder import of_other_tool, read_folder


def test_coco_comes_before_what_it_was_made_of(tmp_path):
    folder = tools.pairs(tmp_path)
    assert len(read_folder(folder)) == 6
    assert cli.run(["convert", str(folder / "masks"), str(folder / "annotations.json"), "--from", "labels"]) == 0
    assert of_other_tool(folder) is None
    assert sum(len(record.instances) for record in read_folder(folder)) == 36


def test_a_folder_of_nothing_says_what_would_be_read(tmp_path):
    with pytest.raises(BadAnnotations, match=r"no annotations_train\.json, and no training data .*StarDist.*Cellpose"):
        read_folder(tmp_path, "train")


def test_an_annotated_folder_names_the_splits_that_it_has(tmp_path):
    (tmp_path / "annotations_val.json").write_text("{}")
    with pytest.raises(BadAnnotations, match=r"only annotations_val\.json\. Choose one with --split: val"):
        read_folder(tmp_path, "train")
