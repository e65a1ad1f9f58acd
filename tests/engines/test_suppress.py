import numpy as np
import pytest

from napari_centermask.core.neighbours import box_iou
from napari_centermask.engines import suppress
from napari_centermask.engines.suppress import SoftNms, nms_boxes, soft_nms


def iou_matrix(boxes):
    n = len(boxes)
    return box_iou(np.repeat(boxes, n, axis=0), np.tile(boxes, (n, 1))).reshape(n, n)


def brute_force_nms(boxes, scores, classes, iou):
    overlap = iou_matrix(boxes)
    kept = []
    for k in np.argsort(-scores, kind="stable"):
        if all(classes[k] != classes[m] or overlap[k, m] <= iou for m in kept):
            kept.append(k)
    return np.array(kept, int)


def brute_force_soft_nms(boxes, scores, classes, soft, min_score, iou):
    scores, overlap, taken = scores.astype(float), iou_matrix(boxes), []
    while len(taken) < len(boxes):
        rest = [k for k in range(len(boxes)) if k not in taken]
        best = max(rest, key=lambda k: scores[k])
        if scores[best] < min_score:
            break
        taken.append(best)
        for k in rest:
            if k != best and classes[k] == classes[best]:
                if soft.method == "gaussian":
                    scores[k] *= np.exp(-(overlap[k, best] ** 2) / soft.sigma)
                elif overlap[k, best] > iou:
                    scores[k] *= 1 - overlap[k, best]
    return taken, scores


def random_boxes(n, seed, field=300, small=2, large=200):
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.uniform(np.log(small), np.log(large), (n, 1))) * rng.uniform(0.5, 2, (n, 2))
    corner = rng.uniform(-20, field, (n, 2))
    seeds = np.concatenate([corner, corner + sides], axis=1)[rng.integers(0, n // 4, n)]
    boxes = seeds + rng.normal(0, 0.1, (n, 4)) * np.tile(seeds[:, 2:] - seeds[:, :2], 2)
    boxes = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2] + 0.5)], axis=1)
    return boxes.astype(np.float32), rng.random(n).astype(np.float32), rng.integers(0, 2, n)


@pytest.mark.parametrize("iou", [0.05, 0.3, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_nms_equals_brute_force(iou, seed):
    boxes, scores, classes = random_boxes(400, seed)
    np.testing.assert_array_equal(nms_boxes(boxes, scores, classes, iou), brute_force_nms(boxes, scores, classes, iou))


def test_nms_equals_brute_force_across_blocks(monkeypatch):
    monkeypatch.setattr("napari_centermask.engines.suppress._BLOCK", 37)
    boxes, scores, classes = random_boxes(400, 5)
    np.testing.assert_array_equal(nms_boxes(boxes, scores, classes, 0.6), brute_force_nms(boxes, scores, classes, 0.6))


@pytest.mark.parametrize("most", [1, 7, 40, 1000])
def test_the_best_are_those_of_all_and_worse_blocks_are_not_looked_at(monkeypatch, most):
    monkeypatch.setattr("napari_centermask.engines.suppress._BLOCK", 16)
    boxes, _, classes = random_boxes(200, seed=3)
    scores = np.random.default_rng(3).integers(1, 30, 200) / 30  # with ties
    everything, asked = nms_boxes(boxes, scores, classes, 0.5), []
    true = suppress._pairs_between
    monkeypatch.setattr(suppress, "_pairs_between", lambda *given: asked.append(given) or true(*given))
    best = nms_boxes(boxes, scores, classes, 0.5, most=most)
    lowest = scores[everything[min(most, len(everything)) - 1]]
    np.testing.assert_array_equal(best, everything[scores[everything] >= lowest])
    if most == 1:
        assert len(asked) <= 4


def test_nms_keeps_the_given_order_of_equal_scores():
    boxes = np.array([[0, 0, 10, 10], [50, 0, 60, 10], [0, 0, 10, 10], [90, 0, 99, 9]], np.float32)
    np.testing.assert_array_equal(nms_boxes(boxes, np.full(4, 0.5), np.zeros(4, int), 0.5), [0, 1, 3])


def test_nms_at_exactly_the_threshold_keeps_both():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], float)
    assert len(nms_boxes(boxes, np.array([0.9, 0.8]), np.zeros(2, int), 0.5)) == 2


def test_nms_of_nothing_and_of_empty_boxes():
    assert len(nms_boxes(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), 0.5)) == 0
    assert len(nms_boxes(np.zeros((3, 4)), np.ones(3), np.zeros(3, int), 0.5)) == 3


def test_thousands_of_boxes_on_one_spot_leave_one():
    rng = np.random.default_rng(0)
    boxes = np.array([100, 100, 140, 140]) + rng.normal(0, 0.5, (9000, 4))
    assert len(nms_boxes(boxes, rng.random(9000), np.zeros(9000, int), 0.6)) == 1


@pytest.mark.parametrize("soft", [SoftNms(), SoftNms("gaussian", 0.2), SoftNms("linear")])
def test_soft_nms_equals_brute_force(soft):
    boxes, scores, classes = random_boxes(120, 3)
    taken, lowered = brute_force_soft_nms(boxes, scores, classes, soft, 0.05, 0.3)
    keep, kept_scores = soft_nms(boxes, scores, classes, soft=soft, min_score=0.05, iou=0.3)
    np.testing.assert_array_equal(keep, taken)
    np.testing.assert_allclose(kept_scores[keep], lowered[taken], rtol=1e-5)
