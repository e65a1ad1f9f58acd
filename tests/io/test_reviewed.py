"""What of an image is known to be reviewed."""

from __future__ import annotations

from foreign_coco import square, write

from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.reviewed import is_partial, truth_of


def test_a_real_crowd_region_is_neither_cell_nor_background(tmp_path):
    path = write(tmp_path / "c.json", [square(2, 5), square(10, 20) | {"iscrowd": 1}])
    (record,) = read_coco(path)
    assert (len(record.instances), [c.area for c in record.crowds]) == (1, [400])
    truth = truth_of(record, partial=is_partial([record]))
    assert len(truth.instances) == 1
    assert truth.reviewed == ((0, 0, 32, 32),)
    assert truth.doubtful == record.crowds
