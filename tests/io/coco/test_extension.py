"""Damaged fields of our own are named."""

import json

import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.coco.extension import KEY


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
        (3, "an object"),
    ],
)
def test_a_damaged_cell_key_is_named(tmp_path, own, message):
    image = {"id": 1, "file_name": "a.png", "height": 6, "width": 6}
    cell = {"id": 9, "image_id": 1, "category_id": 1, "segmentation": {"size": [6, 6], "counts": [7, 2, 27]}, KEY: own}
    (tmp_path / "c.json").write_text(json.dumps({"images": [image], "annotations": [cell]}))
    with pytest.raises(BadAnnotations, match=f"Annotation 9 of c.json: .*{message}"):
        read_coco(tmp_path / "c.json")
