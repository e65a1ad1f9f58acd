import numpy as np
import pytest

from napari_centermask.core.neighbours import box_iou, near_pairs, overlapping_pairs


def boxes_of_all_sizes(n=300, seed=0):
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.uniform(np.log(0.5), np.log(300), (n, 2)))
    corner = rng.uniform(-50, 400, (n, 2))
    return np.concatenate([corner, corner + sides], axis=1)


def brute_force_iou(a, b):
    h, w = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(h, 0) * max(w, 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


@pytest.mark.parametrize("seed", range(3))
def test_overlapping_pairs_equal_brute_force(seed):
    boxes = boxes_of_all_sizes(seed=seed)
    expected = {(i, j) for j in range(len(boxes)) for i in range(j) if brute_force_iou(boxes[i], boxes[j]) > 0}
    i, j = overlapping_pairs(boxes)
    assert len(i) == len(expected)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == expected


@pytest.mark.parametrize("iou", [0.1, 0.4, 0.5, 0.7])
def test_near_pairs_miss_no_pair_above_the_iou(iou):
    boxes = np.repeat(boxes_of_all_sizes(60), 5, axis=0) * np.random.default_rng(1).uniform(0.9, 1.1, (300, 1))
    everyone = np.arange(len(boxes))
    i, j = near_pairs(boxes, everyone, everyone, iou=iou)
    pairs = set(zip(i.tolist(), j.tolist(), strict=True))
    first, second = np.triu_indices(len(boxes), 1)
    over = box_iou(boxes[first], boxes[second]) > iou
    assert over.sum() > 50
    assert pairs >= set(zip(first[over].tolist(), second[over].tolist(), strict=True))


def test_box_iou_equals_brute_force():
    boxes = boxes_of_all_sizes(100)
    expected = [brute_force_iou(a, b) for a, b in zip(boxes[:50], boxes[50:], strict=True)]
    np.testing.assert_allclose(box_iou(boxes[:50], boxes[50:]), expected)


def test_boxes_that_only_touch_do_not_overlap():
    assert len(overlapping_pairs(np.array([[0, 0, 5, 5], [5, 0, 9, 5], [0, 5, 5, 9]]))[0]) == 0


def test_no_boxes_give_no_pairs():
    assert len(overlapping_pairs(np.zeros((0, 4)))[0]) == 0
