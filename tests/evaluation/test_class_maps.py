"""Pixel accuracy, mean IoU and Dice, against cases counted by hand and a count pixel by pixel."""

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.class_maps import PixelCounts, class_map
from napari_centermask.evaluation.report import evaluate
from napari_centermask.evaluation.table import format_table


def rectangle(y0, x0, y1, x1, **fields):
    return Instance(id=0, y0=y0, x0=x0, mask=np.ones((y1 - y0, x1 - x0), bool), **fields)


def test_six_by_six_case_counted_by_hand():
    """12 pixels live, 6 dead; of live 8 are found, 2 are called dead, 2 missed; of dead 3 are found; 1 background is false."""
    truth = np.array([[1] * 6, [1] * 6, [0] * 6, [0] * 6, [2] * 6, [0] * 6])
    said = np.array([[1] * 6, [1, 1, 2, 2, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6, [2, 2, 2, 0, 0, 0], [0] * 6])
    counts = PixelCounts()
    counts.add(truth, said, ["live", "dead"])
    found = counts.to_json()
    assert found["pixel_accuracy"] == (17 + 8 + 3) / 36
    iou = {"background": 17 / (18 + 22 - 17), "live": 8 / (12 + 9 - 8), "dead": 3 / (6 + 5 - 3)}
    dice = {"background": 2 * 17 / (18 + 22), "live": 2 * 8 / (12 + 9), "dead": 2 * 3 / (6 + 5)}
    assert {name: row["iou"] for name, row in found["per_class"].items()} == iou
    assert {name: row["dice"] for name, row in found["per_class"].items()} == dice
    assert found["foreground"] == {"iou": 13 / (18 + 14 - 13), "dice": 2 * 13 / (18 + 14)}
    assert found["miou"] == pytest.approx(sum(iou.values()) / 3)
    assert found["dice"] == pytest.approx(sum(dice.values()) / 3)


def test_images_are_pooled_and_a_class_may_occur_in_one_of_them():
    counts, names = PixelCounts(), ["live", "dead"]
    counts.add(np.array([[1, 1], [0, 0]]), np.array([[1, 0], [0, 0]]), names)
    counts.add(np.array([[2, 0], [0, 0]]), np.array([[0, 0], [0, 0]]), names)
    found = counts.to_json()["per_class"]
    assert {name: row["iou"] for name, row in found.items()} == {"background": 5 / 7, "live": 1 / 2, "dead": 0.0}


def test_equals_a_count_pixel_by_pixel_and_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 4, (2, 1100, 7))  # more rows than are counted at a time
    counts = PixelCounts()
    counts.add(truth, said, ["a", "b", "c"])
    found = counts.to_json()
    flat = truth.ravel(), said.ravel()
    assert found["pixel_accuracy"] == pytest.approx(metrics.accuracy_score(*flat))
    assert [row["iou"] for row in found["per_class"].values()] == pytest.approx(
        metrics.jaccard_score(*flat, average=None).tolist()
    )
    assert [row["dice"] for row in found["per_class"].values()] == pytest.approx(
        metrics.f1_score(*flat, average=None).tolist()
    )


def test_where_cells_of_two_categories_overlap_the_deeper_one_wins_in_any_order():
    cells = [rectangle(0, 0, 3, 9), rectangle(0, 6, 3, 13)]
    one, two = class_map(cells, [1, 2], (3, 13)), class_map(cells[::-1], [2, 1], (3, 13))
    np.testing.assert_array_equal(one, two)
    assert (one[:, :6] == 1).all()
    assert (one[:, 9:] == 2).all()
    assert (
        one[1, 7] == 1
    )  # two pixels from its end, like the middle row; one pixel into the other cell would be less deep
    assert one[1, 8] == 2


def test_pixels_of_a_crowd_that_lie_in_no_cell_are_left_out():
    truth, said = np.array([[1, 1, 0, 0, 0, 0]]), np.array([[1, 0, 1, 1, 0, 0]])
    counts = PixelCounts()
    counts.add(truth, said, ["cell"], unknown=[rectangle(0, 1, 1, 4)])
    assert counts.to_json()["per_class"]["cell"]["iou"] == 1 / 2
    assert counts.to_json()["pixel_accuracy"] == 3 / 4


def test_an_evaluation_has_the_class_map_of_cells_above_the_score():
    names = {1: "live", 2: "dead"}
    truth = Instances((6, 6), [rectangle(0, 0, 2, 6), rectangle(4, 0, 5, 6, category=2)], categories=names)
    found = [rectangle(0, 0, 1, 6), rectangle(4, 0, 5, 3, category=2), rectangle(2, 0, 4, 6, score=0.2)]
    report = evaluate([(truth, Instances((6, 6), found, categories=names), None)], score=0.5)
    values = report.to_json()["class_map"]
    assert values["per_class"]["live"] == {"iou": 6 / 12, "dice": 12 / 18}
    assert values["per_class"]["dead"] == {"iou": 3 / 6, "dice": 6 / 9}
    assert values["pixel_accuracy"] == (18 + 6 + 3) / 36
    assert report.per_image[0]["miou"] == values["miou"]
    assert "mIoU" in format_table(report)


def test_a_single_category_is_the_same_whatever_its_name():
    truth = Instances((6, 6), [rectangle(0, 0, 3, 3)], categories={1: "nucleus"})
    found = Instances((6, 6), [rectangle(0, 0, 3, 3)], categories={7: "cell"})
    assert evaluate([(truth, found, None)]).to_json()["class_map"]["miou"] == 1.0


def test_without_images_there_is_nothing_to_measure():
    nothing = {"pixel_accuracy": None, "miou": None, "dice": None}
    foreground = {"iou": None, "dice": None}
    assert PixelCounts().to_json() == nothing | {"per_class": {}, "foreground": foreground}
