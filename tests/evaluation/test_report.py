import json

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.report import evaluate
from napari_centermask.evaluation.table import format_table

KEYS = {
    "n_images", "n_instances", "bioimage_ap", "bioimage_ap_mean", "coco", "precision", "recall", "f1", "pq",
    "mean_iou_matched", "dice_matched", "area_ratio", "overlap", "border", "per_category", "seconds_per_image",
}  # fmt: skip


def strip(x, width=4, height=4, **fields):
    return Instance(id=0, y0=0, x0=x, mask=np.ones((height, width), bool), **fields)


def at(y0, x0, width=4, height=4):
    return Instance(id=0, y0=y0, x0=x0, mask=np.ones((height, width), bool))


def test_a_perfect_prediction_scores_one_everywhere(cells):
    truth = cells(n=20, overlap=0.6)
    data = evaluate([(truth, truth, 0.5)]).to_json()
    assert set(data) >= KEYS
    assert set(data["bioimage_ap"].values()) == {1.0}
    ones = (data["bioimage_ap_mean"], data["f1"], data["pq"], data["mean_iou_matched"], data["dice_matched"])
    assert ones == (1.0,) * 5
    assert data["coco"]["AP"] == pytest.approx(1.0)
    assert data["overlap"]["recall50"] == data["overlap"]["mean_iou"] == 1.0
    assert data["overlap"]["n"] > 0
    assert data["seconds_per_image"] == 0.5


def test_hand_counted_case():
    truth = Instances((4, 40), [strip(0), strip(10), strip(20)])
    # IoU 1, IoU 3/5 = 0.6, one false
    predicted = Instances((4, 40), [strip(0), strip(11), strip(30)])
    data = evaluate([(truth, predicted, None)]).to_json()
    assert data["bioimage_ap"]["0.50"] == pytest.approx(2 / 4)
    assert data["bioimage_ap"]["0.65"] == pytest.approx(1 / 5)
    assert (data["precision"], data["recall"], data["f1"]) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert data["mean_iou_matched"] == pytest.approx(0.8)
    assert data["pq"] == pytest.approx(0.8 * 2 / 3)
    assert data["dice_matched"] == pytest.approx((1 + 0.75) / 2)


def test_low_scores_count_for_coco_only():
    truth = Instances((4, 40), [strip(0), strip(10)])
    predicted = Instances((4, 40), [strip(0, score=0.9), strip(10, score=0.1)])
    data = evaluate([(truth, predicted, None)], score=0.5).to_json()
    assert data["recall"] == 0.5
    assert data["coco"]["AR"] == 1.0


def test_overlap_score_looks_at_shared_cells_alone():
    truth = Instances((4, 60), [strip(0, 10), strip(8, 10), strip(40, 10)])
    predicted = Instances((4, 60), [strip(0, 10)])
    overlap = evaluate([(truth, predicted, None)]).to_json()["overlap"]
    assert overlap == {"n": 2, "recall50": 0.5, "mean_iou": 0.5}


def test_cells_that_the_border_cuts_are_counted_apart_from_those_inside():
    """In a field of 20 x 60: cut on the left (IoU 1), above (IoU 0.75), on the right (missed); inside found with 0.6 and 1."""
    truth = Instances((20, 60), [at(8, 0), at(0, 10), at(8, 56), at(8, 20), at(8, 30)])
    predicted = Instances((20, 60), [at(8, 0), at(0, 10, height=3), at(8, 21), at(8, 30)])
    report = evaluate([(truth, predicted, None)])
    border = report.to_json()["border"]
    assert border["cut"] == {"n": 3, "recall50": pytest.approx(2 / 3), "mean_iou": pytest.approx(1.75 / 3)}
    assert border["inside"] == {"n": 2, "recall50": 1.0, "mean_iou": pytest.approx(0.8)}
    table = format_table(report)
    assert "cells cut by the border   n 3   recall 0.6667   mean IoU 0.5833" in table
    assert "cells inside   n 2   recall 1.0000   mean IoU 0.8000" in table


@pytest.mark.parametrize(
    ("y0", "x0", "is_cut"), [(0, 3, 1), (3, 0, 1), (6, 3, 1), (3, 6, 1), (1, 1, 0), (5, 5, 0), (1, 5, 0)]
)
def test_a_cell_is_cut_if_it_reaches_any_side_of_the_image(y0, x0, is_cut):
    truth = Instances((10, 10), [at(y0, x0)])
    assert evaluate([(truth, truth, None)]).to_json()["border"]["cut"]["n"] == is_cut


def test_the_area_ratio_is_the_median_of_predicted_to_annotated_area_over_matched_cells():
    """Areas of 16: predicted 8, 12 and 16 pixels are matched; 4 pixels (IoU 0.25) and a false cell are not."""
    truth = Instances((20, 60), [at(1, 1), at(1, 11), at(1, 21), at(1, 31)])
    found = [at(1, 1, width=2), at(1, 11, width=3), at(1, 21), at(1, 31, width=1), at(10, 10, width=30)]
    report = evaluate([(truth, Instances((20, 60), found), None)])
    assert report.to_json()["area_ratio"] == 0.75
    assert "area of matched cells, predicted / annotated   median 0.7500" in format_table(report)
    larger = Instances((20, 60), [at(1, 1, width=5), at(1, 11, width=6)])
    assert evaluate([(truth, larger, None)], details=False).to_json()["area_ratio"] == 1.375


def test_nothing_to_measure_is_null_and_valid_json():
    empty = Instances((5, 5))
    data = evaluate([(empty, empty, None)]).to_json()
    assert data["bioimage_ap_mean"] is None
    assert data["coco"]["AP"] is None
    assert data["area_ratio"] is None
    assert data["border"] == {side: {"n": 0, "recall50": None, "mean_iou": None} for side in ("cut", "inside")}
    json.dumps(data, allow_nan=False)
    assert "0 annotated cells" in format_table(evaluate([(empty, empty, None)]))
