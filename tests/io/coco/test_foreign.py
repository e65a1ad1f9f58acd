"""What strict readers share with the importer: CVAT's masks, crowd regions, detectron2's results, absolute names."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.coco.image_record import left_out
from napari_centermask.io.coco.importing import import_coco
from napari_centermask.io.reviewed import is_partial, truth_of


def write(path, annotations, name="a.png"):
    image = {"id": 1, "file_name": name, "height": 32, "width": 32}
    common = {"image_id": 1, "category_id": 1}
    data = {"images": [image], "categories": [{"id": 1, "name": "cell"}]}
    data["annotations"] = [common | {"id": n} | a for n, a in enumerate(annotations, start=1)]
    path.write_text(json.dumps(data))
    return path


def square(x, side):
    return {"segmentation": [[x, x, x + side, x, x + side, x + side, x, x + side]]}


def test_cvat_masks_are_read_alike_by_strict_reader_and_importer(shared):
    folder = shared / "faults" / "cvat_truth"
    (strict,) = read_coco(folder / "annotations.json", images_root=folder / "images")
    (imported,) = import_coco(folder / "annotations.json", images_root=folder / "images").records
    assert [c.area for c in strict.instances] == [c.area for c in imported.instances] == [400]
    assert strict.crowds == ()


def test_a_real_crowd_region_is_neither_cell_nor_background(tmp_path):
    path = write(tmp_path / "c.json", [square(2, 5), square(10, 20) | {"iscrowd": 1}])
    (record,) = read_coco(path)
    assert (len(record.instances), [c.area for c in record.crowds]) == (1, [400])
    truth = truth_of(record, partial=is_partial([record]))
    assert len(truth.instances) == 1
    assert truth.reviewed == ((0, 0, 32, 32),)
    assert truth.doubtful == record.crowds


def test_what_is_left_out_is_counted(tmp_path):
    empty = {"segmentation": {"size": [32, 32], "counts": [1024]}}
    records = read_coco(write(tmp_path / "c.json", [square(2, 5), empty, square(10, 20) | {"iscrowd": 1}]))
    assert left_out(records).startswith("Ignored 1 crowd region:")
    assert "1 annotation without an outline" in left_out(records)
    assert left_out(read_coco(write(tmp_path / "d.json", [square(2, 5)]))) == ""


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
