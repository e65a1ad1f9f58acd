"""Damaged fields of our own are named."""

import json

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_record import ImageRecord


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"plane": [3], "leading": [3]}, "a plane within"),
        ({"plane": "T0"}, "whole numbers as plane"),
        ({"plane": [0], "leading": [2**40]}, "a plane within"),
        ({"reviewed_regions": [[0, 0, 7, 6]]}, "inside the image"),
        ({"reviewed_regions": [[2, 0, 2, 6]]}, "inside the image"),
        ({"last_id": -1}, "last_id"),
        ({"threshold": "high"}, "threshold"),
        ({"seams": [1, 2]}, "seams"),
        ([], "an object"),
    ],
)
def test_a_damaged_image_key_is_named(tmp_path, own, message):
    image = {"id": 1, "file_name": "a.png", "height": 6, "width": 6, KEY: own}
    (tmp_path / "c.json").write_text(json.dumps({"images": [image], "annotations": []}))
    with pytest.raises(BadAnnotations, match=f"Image 1 of c.json: .*{message}"):
        read_coco(tmp_path / "c.json")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"id": 0}, "an id from 1"),
        ({"id": 2**31}, "an id from 1"),
        ({"id": True}, "an id from 1"),
        ({"status": "fine"}, "a status of"),
        ({"source": 3}, "expected text as source"),
        ({"score": 1.5}, "score from 0 to 1"),
        ({"score": float("nan")}, "a number as score"),
        ({"order": float("inf")}, "order from"),
        ({"mask_quality": "good"}, "mask_quality"),
        ({"track": -1}, "a track up to"),
        ({"track": 1, "parent": 2.5}, "a parent up to"),
        (3, "an object"),
    ],
)
def test_a_damaged_cell_key_is_named(tmp_path, own, message):
    image = {"id": 1, "file_name": "a.png", "height": 6, "width": 6}
    cell = {"id": 9, "image_id": 1, "category_id": 1, "segmentation": {"size": [6, 6], "counts": [7, 2, 27]}, KEY: own}
    (tmp_path / "c.json").write_text(json.dumps({"images": [image], "annotations": [cell]}))
    with pytest.raises(BadAnnotations, match=f"Annotation 9 of c.json: .*{message}"):
        read_coco(tmp_path / "c.json")


def test_the_track_and_the_parent_of_a_cell_come_back_and_files_without_them_open(tmp_path):
    cells = [Instance(n, 4 * n, 2, np.ones((3, 3), bool), track=t, parent=p) for n, t, p in ((1, 7, 3), (2, 0, 0))]
    write_coco(tmp_path / "c.json", [ImageRecord(1, "a.png", None, (20, 20), Instances((20, 20), cells))])
    own = [item[KEY] for item in json.loads((tmp_path / "c.json").read_text())["annotations"]]
    assert (own[0]["track"], own[0]["parent"]) == (7, 3)
    assert own[1].keys().isdisjoint({"track", "parent"})  # as files of before have it
    (record,) = read_coco(tmp_path / "c.json")
    assert [(c.track, c.parent) for c in record.instances] == [(7, 3), (0, 0)]
