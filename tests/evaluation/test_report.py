import json

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.report import evaluate
from napari_centermask.evaluation.table import format_table

KEYS = {
    "n_images", "n_instances", "bioimage_ap", "bioimage_ap_mean", "coco", "precision", "recall", "f1", "pq",
    "mean_iou_matched", "dice_matched", "overlap", "per_category", "seconds_per_image",
}  # fmt: skip


def strip(x, width=4, height=4, **fields):
    return Instance(id=0, y0=0, x0=x, mask=np.ones((height, width), bool), **fields)


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


def test_nothing_to_measure_is_null_and_valid_json():
    empty = Instances((5, 5))
    data = evaluate([(empty, empty, None)]).to_json()
    assert data["bioimage_ap_mean"] is None
    assert data["coco"]["AP"] is None
    json.dumps(data, allow_nan=False)
    assert "0 annotated cells" in format_table(evaluate([(empty, empty, None)]))
