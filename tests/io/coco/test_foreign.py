"""What strict readers share with the importer: CVAT's masks, crowd regions, detectron2's results, absolute names."""

from __future__ import annotations

import json

import numpy as np
import pytest
from foreign_coco import square, write

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.coco.importing import import_coco


def test_cvat_masks_are_read_alike_by_strict_reader_and_importer(shared):
    folder = shared / "faults" / "cvat_truth"
    (strict,) = read_coco(folder / "annotations.json", images_root=folder / "images")
    (imported,) = import_coco(folder / "annotations.json", images_root=folder / "images").records
    assert [c.area for c in strict.instances] == [c.area for c in imported.instances] == [400]
    assert strict.crowds == ()


@pytest.mark.parametrize("name", ["/data/set/images/b/a.png", "C:\\\\data\\\\b\\\\a.png", "/elsewhere/b/a.png"])
def test_of_an_absolute_name_the_end_that_is_there_counts(tmp_path, name):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.png").write_bytes(b"x")
    (record,) = read_coco(write(tmp_path / "c.json", [], name=name))
    assert record.path == tmp_path / "b" / "a.png"


def test_no_name_leads_out_of_the_folder(tmp_path):
    with pytest.raises(BadAnnotations, match="outside"):
        read_coco(write(tmp_path / "c.json", [], name="/x/../../a.png"))


def test_predictions_in_a_crowd_are_ignored_as_by_pycocotools(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from napari_centermask.evaluation.report import evaluate

    truth_file = write(tmp_path / "t.json", [square(1, 6), square(12, 18) | {"iscrowd": 1}])
    predictions = [(1, 6, 0.9), (13, 5, 0.95), (20, 6, 0.7), (8, 4, 0.8)]
    (record,) = read_coco(truth_file)
    (predicted,) = read_coco(write(tmp_path / "p.json", [square(x, n) | {"score": s} for x, n, s in predictions]))
    report = evaluate([(record.instances, predicted.instances, None)], crowds=[record.crowds])

    reference = COCO()
    data = json.loads(truth_file.read_text())
    for annotation in data["annotations"]:
        x, n = annotation["segmentation"][0][0], annotation["segmentation"][0][2] - annotation["segmentation"][0][0]
        mask = np.zeros((32, 32), np.uint8, order="F")
        mask[x : x + n, x : x + n] = 1
        annotation |= {
            "segmentation": encoded(mask),
            "area": n * n,
            "bbox": [x, x, n, n],
            "iscrowd": annotation.get("iscrowd", 0),
        }
    reference.dataset = data
    reference.createIndex()
    results = []
    for x, n, s in predictions:
        mask = np.zeros((32, 32), np.uint8, order="F")
        mask[x : x + n, x : x + n] = 1
        results.append({"image_id": 1, "category_id": 1, "score": s, "segmentation": encoded(mask)})
    judge = COCOeval(reference, reference.loadRes(results), "segm")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert report.coco["AP"] == pytest.approx(judge.stats[0], abs=1e-9)
    at50 = report.counts[0.5]
    assert (at50.tp, at50.fp, at50.fn) == (1, 1, 0)  # the one at 8 alone is wrong


def encoded(mask):
    from pycocotools import mask as coco_mask

    return coco_mask.encode(mask)
