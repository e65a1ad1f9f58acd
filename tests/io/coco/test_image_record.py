"""What a record leaves out is counted."""

from __future__ import annotations

from foreign_coco import square, write

from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.coco.image_record import left_out


def test_what_is_left_out_is_counted(tmp_path):
    empty = {"segmentation": {"size": [32, 32], "counts": [1024]}}
    records = read_coco(write(tmp_path / "c.json", [square(2, 5), empty, square(10, 20) | {"iscrowd": 1}]))
    assert left_out(records).startswith("Ignored 1 crowd region:")
    assert "1 annotation without an outline" in left_out(records)
    assert left_out(read_coco(write(tmp_path / "d.json", [square(2, 5)]))) == ""
