"""Other programs read what we write: pycocotools, faster-coco-eval, and what detectron2's loader asks of a file."""

import json
import os

import numpy as np
import pytest

from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.records import records_of


@pytest.fixture(params=[None, 0.0, 0.7], ids=["rle", "polygons", "simple polygons"])
def written(request, tmp_path, cells):
    """A file with a stack, an image and an empty image; its records and whether it is exact."""
    stack = Result((96, 80), leading=(2,))
    for z in (0, 1):
        stack.put((z,), cells(n=10, overlap=0.6, seed=z, shape=(96, 80), radius=8))
    stack.set_reviewed((0,), [(0, 0, 50, 50)])
    records = records_of(stack, "stack.tif", extra={"pixel_size_um": 0.3})
    single = cells(n=6, overlap=0.5, shape=(64, 64), radius=7)
    records.append(ImageRecord(3, "a.png", None, single.shape, single))
    records.append(ImageRecord(4, "empty.png", None, (10, 12), type(single)((10, 12))))
    write_coco(tmp_path / "c.json", records, polygons=request.param)
    return tmp_path / "c.json", records, request.param in (None, 0.0)


def frames(record):
    for cell in record.instances:
        frame = np.zeros(record.shape, bool)
        y0, x0, y1, x1 = cell.box
        frame[y0:y1, x0:x1] = cell.mask
        yield frame


def check_masks(coco, records, exact):
    assert sorted(coco.getImgIds()) == [1, 2, 3, 4]
    for record in records:
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[record.id]))
        assert len(annotations) == len(record.instances)
        for annotation, frame in zip(annotations, frames(record), strict=True):
            mask = coco.annToMask(annotation).astype(bool)
            iou = (mask & frame).sum() / (mask | frame).sum()
            assert iou == 1 if exact else iou > 0.8
            ys, xs = np.nonzero(frame)
            assert annotation["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
            assert annotation["area"] == frame.sum()


def test_pycocotools_reads_every_mask(written, capsys):
    from pycocotools.coco import COCO

    path, records, exact = written
    check_masks(COCO(str(path)), records, exact)


def test_pycocotools_finds_the_file_equal_to_itself(written, tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(str(written[0]))
    evaluation = COCOeval(truth, truth.loadRes(_results(written[0], tmp_path)), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_faster_coco_eval_reads_every_mask_and_agrees(written, tmp_path):
    faster = pytest.importorskip("faster_coco_eval")

    path, records, exact = written
    truth = faster.COCO(str(path))
    check_masks(truth, records, exact)
    evaluation = faster.COCOeval_faster(truth, truth.loadRes(_results(path, tmp_path)), "segm")
    evaluation.run()
    assert evaluation.stats[0] == pytest.approx(1.0)


def _results(path, folder):
    """The annotations as COCO results, the form in which detections are handed in."""
    keys = ("image_id", "category_id", "segmentation", "bbox", "score")
    items = [{k: a[k] for k in keys} for a in json.loads(path.read_text())["annotations"]]
    (folder / "results.json").write_text(json.dumps(items))
    return str(folder / "results.json")


def test_detectron2_would_load_it_without_complaint(written):
    """What `load_coco_json` of detectron2 (data/datasets/coco.py, Apache-2.0) asserts, warns of and drops."""
    from pycocotools.coco import COCO

    path, records, _ = written
    coco = COCO(str(path))
    categories = sorted(coco.getCatIds())
    assert (min(categories), max(categories)) == (1, len(categories))  # else it renumbers, with a warning
    assert all("name" in c for c in coco.loadCats(categories))
    images = coco.loadImgs(sorted(coco.imgs))
    by_image = [coco.imgToAnns[i["id"]] for i in images]
    ids = [a["id"] for annotations in by_image for a in annotations]
    assert len(set(ids)) == len(ids)
    assert ids[0] == 1
    for image, annotations in zip(images, by_image, strict=True):
        assert os.path.join("root", image["file_name"])
        assert all(isinstance(image[k], int) for k in ("height", "width"))
        for a in annotations:
            assert a["image_id"] == image["id"]
            assert a.get("ignore", 0) == 0
            assert (len(a["bbox"]), a["iscrowd"]) == (4, 0)
            assert a["category_id"] in categories
            segmentation = a["segmentation"]
            if isinstance(segmentation, dict):  # compressed counts go through as they are
                assert isinstance(segmentation["counts"], str)
                assert segmentation["size"] == [image["height"], image["width"]]
            else:  # polygons of fewer than three points would be dropped
                assert segmentation
                assert all(len(p) % 2 == 0 and len(p) >= 6 for p in segmentation)
    assert sum(map(len, by_image)) == sum(len(r.instances) for r in records)
