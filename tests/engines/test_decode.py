import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_centermask.engines import Features
from napari_centermask.engines.decode import candidates, detect, locations
from napari_centermask.engines.suppress import SoftNms

STRIDES = (8, 16, 32, 64, 128)
CARD = SimpleNamespace(strides=STRIDES, rates_boxes=True)
GOLDENS = Path(os.environ.get("CENTERMASK_GOLDENS", Path(__file__).parents[3] / "shared" / "goldens"))


def golden_cases():
    folders = sorted(p.parent for p in GOLDENS.glob("*/outputs.npz"))
    return [pytest.param(folder, k, id=f"{folder.name}-{k}") for folder in folders for k in (0, 1)]


def golden_features(outputs, shape, k):
    def level(name, p):
        value = outputs[f"img{k}.{p}.{name}"]
        return value.reshape(value.shape[0], -1).T

    pyramid = [f"P{p}" for p in range(3, 8)]
    logits = np.concatenate([level("cls_logits", p) for p in pyramid])
    ltrb = np.concatenate([level("bbox_reg", p) * s for p, s in zip(pyramid, STRIDES, strict=True)])
    centerness = np.concatenate([level("ctrness", p) for p in pyramid])[:, 0]
    return Features(tuple(shape), (), logits[None], ltrb[None], centerness[None])


@pytest.mark.parametrize(("folder", "k"), golden_cases())
def test_reference_settings_give_the_golden_detections(folder, k):
    manifest = json.loads((folder / "manifest.json").read_text())
    outputs = np.load(folder / "outputs.npz")
    features = golden_features(outputs, manifest["images"][k]["padded_hw"], k)

    boxes, scores, _classes = candidates(features, CARD, score=0.05, threshold="class", pre_nms_topk=1000)
    np.testing.assert_allclose(np.sort(scores), np.sort(outputs[f"img{k}.pre_nms.scores"]), atol=1e-6)
    assert len(boxes) == outputs[f"img{k}.pre_nms.n_per_level"].sum()

    detections = detect(features, CARD, score=0.05, nms=0.6, threshold="class", pre_nms_topk=1000, max_detections=50)
    order = np.lexsort((outputs[f"img{k}.det.classes"], -outputs[f"img{k}.det.scores"]))
    ours = np.lexsort((detections.classes, -detections.scores))
    np.testing.assert_allclose(detections.scores[ours], outputs[f"img{k}.det.scores"][order], atol=1e-6)
    assert len(detections.boxes) == len(outputs[f"img{k}.det.boxes"])
    for box, category in zip(outputs[f"img{k}.det.boxes"], outputs[f"img{k}.det.classes"], strict=True):
        same = np.abs(detections.boxes - box).max(axis=1) < 1e-3
        assert (detections.classes[same] == category).any()


def features_of(shape=(64, 96), seed=0, classes=2, quiet=-3.0):
    rng = np.random.default_rng(seed)
    n = len(locations(shape, STRIDES)[0])
    logits = rng.normal(quiet, 2, (2, n, classes)).astype(np.float32)
    ltrb = rng.uniform(1, 20, (2, n, 4)).astype(np.float32)
    return Features(shape, (), logits, ltrb, rng.normal(0, 2, (2, n)).astype(np.float32))


def test_locations_lie_at_the_middle_of_their_stride():
    centres, levels = locations((64, 96), STRIDES)
    assert len(centres) == 8 * 12 + 4 * 6 + 2 * 3 + 1 * 2 + 1
    np.testing.assert_array_equal(centres[:2], [[4, 4], [12, 4]])
    np.testing.assert_array_equal(centres[levels == 2], [[16, 16], [48, 16], [80, 16], [16, 48], [48, 48], [80, 48]])


def test_score_threshold_means_the_final_score():
    features = features_of()
    low = detect(features, CARD, score=0.2, nms=0.6)
    high = detect(features, CARD, score=0.5, nms=0.6)
    assert low.scores.min() < 0.5 <= high.scores.min()
    np.testing.assert_array_equal(high.boxes, low.boxes[low.scores >= 0.5])


def test_the_score_of_a_model_that_does_not_rate_boxes_is_its_class_probability():
    card = SimpleNamespace(strides=STRIDES, rates_boxes=False)
    features = features_of()
    found = candidates(features, card, score=0.2)
    chance = 1 / (1 + np.exp(-features.logits[0]))
    np.testing.assert_allclose(np.sort(found[1]), np.sort(chance[chance >= 0.2]), rtol=1e-6)
    other = replace(features, centerness=features.centerness[:, ::-1] - 5)
    for one, same in zip(found, candidates(other, card, score=0.2), strict=True):
        np.testing.assert_array_equal(one, same)


def test_detections_come_best_first_with_their_types():
    detections = detect(features_of(), CARD, score=0.2, nms=0.6, index=1)
    assert (np.diff(detections.scores) <= 0).all()
    assert (detections.boxes.dtype, detections.scores.dtype, detections.classes.dtype) == (
        np.float32,
        np.float32,
        np.int64,
    )
    assert set(detections.classes) == {0, 1}


def test_tiles_of_a_batch_are_decoded_apart():
    features = features_of()
    second = Features(features.tile_shape, (), features.logits[1:], features.ltrb[1:], features.centerness[1:])
    a, b = detect(features, CARD, score=0.3, nms=0.6, index=1), detect(second, CARD, score=0.3, nms=0.6)
    np.testing.assert_array_equal(a.boxes, b.boxes)


def test_most_detections_are_the_best_ones():
    everything = detect(features_of(), CARD, score=0.2, nms=0.6)
    few = detect(features_of(), CARD, score=0.2, nms=0.6, max_detections=7)
    np.testing.assert_array_equal(few.boxes, everything.boxes[:7])


def test_ties_with_the_last_detection_stay_as_in_the_reference():
    features = features_of()
    features.logits[:], features.centerness[:] = 3.0, 3.0
    assert len(detect(features, CARD, score=0.2, nms=0.99, max_detections=5).scores) > 5


@pytest.mark.parametrize("wrong", [1e9, np.inf, np.nan])
def test_boxes_of_spoilt_weights_have_an_end(wrong):
    features = features_of()
    expected = detect(features, CARD, score=0.2, nms=1.0)
    spoilt = replace(features, ltrb=np.where(np.arange(4) == 2, wrong, features.ltrb).astype(np.float32))
    detections = detect(spoilt, CARD, score=0.2, nms=1.0)
    assert len(detections.boxes) == len(expected.boxes) > 10
    assert (detections.boxes[:, 2] <= 5 * 96).all()
    assert np.array_equal(detections.boxes[:, [0, 1, 3]], expected.boxes[:, [0, 1, 3]])


def test_nothing_above_the_score_gives_no_boxes():
    detections = detect(features_of(quiet=-50), CARD, score=0.3, nms=0.6)
    assert detections.boxes.shape == (0, 4)
    assert len(detections.scores) == len(detections.classes) == 0


def test_soft_nms_lowers_instead_of_dropping():
    features = features_of((32, 32), classes=1)
    features.logits[:], features.centerness[:] = -50.0, 50.0
    features.logits[0, :2, 0] = 3.0, 2.0
    features.ltrb[0, :2] = [[4, 4, 36, 36], [12, 4, 28, 36]]  # the same box twice
    assert len(detect(features, CARD, score=0.1, nms=0.6).scores) == 1
    soft = detect(features, CARD, score=0.1, nms=0.6, soft=SoftNms(sigma=1.0))
    expected = [(1 + np.exp(-3)) ** -0.5, np.exp(-1) * (1 + np.exp(-2)) ** -0.5]
    np.testing.assert_allclose(soft.scores, expected, rtol=1e-5)


def test_models_that_begin_at_stride_4_find_cells_between_the_locations_of_stride_8():
    card = SimpleNamespace(strides=(4, 8, 16, 32), rates_boxes=True)
    centres, levels = locations((64, 96), card.strides)
    assert len(centres) == 16 * 24 + 8 * 12 + 4 * 6 + 2 * 3
    np.testing.assert_array_equal(centres[:2], [[2, 2], [6, 2]])
    features = Features(
        (64, 96),
        (),
        np.where((centres == [22, 34]).all(axis=1) & (levels == 0), 5.0, -50.0).astype(np.float32)[None, :, None],
        np.full((1, len(centres), 4), 9.0, np.float32),
        np.full((1, len(centres)), 50.0, np.float32),
    )
    np.testing.assert_array_equal(detect(features, card, score=0.3, nms=0.6).boxes, [[13, 25, 31, 43]])


def test_models_without_top_levels_decode_too():
    card = SimpleNamespace(strides=STRIDES[:3], rates_boxes=True)
    n = len(locations((64, 96), card.strides)[0])
    features = features_of()
    features = Features((64, 96), (), features.logits[:, :n], features.ltrb[:, :n], features.centerness[:, :n])
    assert len(detect(features, card, score=0.3, nms=0.6).scores) > 0


def test_one_cell_has_one_category_and_says_how_likely_each_is():
    features = features_of((32, 32), classes=3)
    features.logits[:], features.centerness[:] = -50.0, 50.0
    features.logits[0, :2] = [[1.0, 2.0, -9.0], [3.0, -9.0, -9.0]]
    features.ltrb[0, :2] = [[4, 4, 36, 36], [12, 4, 28, 36]]  # the same box twice
    apart = detect(features, CARD, score=0.1, nms=0.6)
    assert sorted(apart.classes.tolist()) == [0, 1]
    detections = detect(features, CARD, score=0.1, nms=0.6, across=True)
    (one,), (kind,) = detections.probabilities, detections.classes
    single = 1 / (1 + np.exp(-np.array([3.0, -9.0, -9.0])))
    assert kind == 0
    np.testing.assert_allclose(one, single / single.sum(), rtol=1e-5)
    assert one.sum() == pytest.approx(1)


def test_models_with_one_category_give_no_probabilities_and_the_same_boxes():
    features = features_of(classes=1)
    a, b = (detect(features, CARD, score=0.2, nms=0.6, across=across) for across in (False, True))
    assert a.probabilities.shape == (len(a.boxes), 0)
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.scores, b.scores)
