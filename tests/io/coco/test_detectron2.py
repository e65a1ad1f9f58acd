"""Results of detectron2 find their images."""

from __future__ import annotations

import shutil

import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.coco.document import read_coco


def test_results_of_detectron2_find_their_images(shared, tmp_path):
    folder = shared / "faults" / "detectron2_list"
    (record,) = read_coco(folder / "coco_instances_results.json", images_root=folder / "images")
    assert record.file_name == "a.tif"
    assert [(c.area, c.score) for c in record.instances] == [(400, 0.9)]
    shutil.copy(folder / "coco_instances_results.json", tmp_path)
    with pytest.raises(BadAnnotations, match=r"names no images.*annotations.json"):
        read_coco(tmp_path / "coco_instances_results.json")


@pytest.mark.parametrize(
    "content", ["[1, 2]", '[{"image_id": 1}]', '[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]']
)
def test_other_lists_are_refused(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(BadAnnotations, match=r"r\.json"):
        read_coco(tmp_path / "r.json")
