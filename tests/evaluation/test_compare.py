"""The gate: a worse model is never recommended, a clearly better one is."""

from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.instances import Instances
from napari_centermask.evaluation.compare import (
    GATE_IOUS,
    LUCK,
    SURE,
    Judged,
    compare,
    counts_of,
    differing,
    judge,
    pooled_ap,
)
from napari_centermask.evaluation.report import evaluate


def shifted(truth, pixels, *, drop=0, seed=0):
    """A prediction: the cells moved by some pixels, a number of them missing."""
    rng = np.random.default_rng(seed)
    kept = rng.permutation(truth.ids)[drop:]
    predicted = Instances(truth.shape)
    for id in sorted(kept):
        cell = truth[id]
        y0 = min(cell.y0 + pixels, truth.shape[0] - cell.mask.shape[0])
        predicted.add(replace(cell, y0=y0))
    return predicted


@pytest.fixture
def images(cells):
    truths = [cells(n=10, overlap=0.2, seed=s) for s in range(10)]

    def make(old, new, n=10):
        return [
            Judged(f"{s}.png", t, shifted(t, **old(s), seed=s), shifted(t, **new(s), seed=s))
            for s, t in enumerate(truths[:n])
        ]

    return make


def test_a_clearly_better_model_is_recommended(images):
    comparison = compare(images(lambda s: {"pixels": 5, "drop": 2}, lambda s: {"pixels": 1}))
    assert comparison.verdict.recommended
    assert comparison.verdict.luck < 0.01
    assert comparison.verdict.interval[0] > 0


def test_a_worse_model_is_not_recommended(images):
    comparison = compare(images(lambda s: {"pixels": 1}, lambda s: {"pixels": 5}))
    assert not comparison.verdict.recommended
    assert comparison.verdict.difference < 0
    assert "not better" in comparison.verdict.sentence


def test_a_gain_that_is_certain_but_next_to_nothing_is_not_recommended():
    old = np.zeros((8, len(GATE_IOUS), 3), int)
    old[..., 1:] = 100
    new = old.copy()
    new[:, 0] = [4, 96, 96]
    verdict = judge(old, new)
    assert 0 < verdict.difference < 0.01
    assert verdict.luck == 0
    assert not verdict.recommended
    assert verdict.sentence.startswith("Both models are about equally good: the new one gains 0.00")


def test_the_same_model_is_not_recommended(images):
    comparison = compare(images(lambda s: {"pixels": 2}, lambda s: {"pixels": 2}))
    assert not comparison.verdict.recommended
    assert comparison.verdict.luck == 1.0


def test_a_gain_on_one_image_and_losses_on_others_may_be_luck(images):
    cases = images(lambda s: {"pixels": 3 if s != 4 else 9}, lambda s: {"pixels": 3 if s % 2 else 4})
    comparison = compare(cases)
    assert not comparison.verdict.recommended


def test_a_model_that_forgot_more_than_it_gained_is_not_recommended(images):
    cases = images(lambda s: {"pixels": 5}, lambda s: {"pixels": 1})
    gain = compare(cases).verdict.difference
    assert not compare(cases, forgotten=gain + 0.01).verdict.recommended
    assert compare(cases, forgotten=0.01).verdict.recommended
    verdict = compare(cases, forgotten=gain / 2).verdict
    assert verdict.recommended
    assert "keep the old model" in verdict.sentence


def test_few_sources_are_reported_with_the_interval(images):
    cases = images(lambda s: {"pixels": 5}, lambda s: {"pixels": 1}, n=2)
    verdict = compare(cases).verdict
    assert verdict.n_sources == 2
    assert "only 2 images" in verdict.sentence
    assert f"{verdict.interval[0]:+.3f} to {verdict.interval[1]:+.3f}" in verdict.sentence
    assert "Only" not in compare(images(lambda s: {"pixels": 5}, lambda s: {"pixels": 1})).verdict.sentence


def test_a_single_image_is_judged_by_eight_parts(images):
    cases = images(lambda s: {"pixels": 6}, lambda s: {"pixels": 0}, n=1)
    verdict = compare(cases).verdict
    assert "on 8 parts of images" in verdict.sentence
    assert "only one image" in verdict.sentence


def test_frames_of_one_source_are_not_more_than_one_image(images):
    cases = images(lambda s: {"pixels": 6}, lambda s: {"pixels": 0})
    verdict = compare([replace(c, group="movie") for c in cases]).verdict
    assert "on 8 parts of images" in verdict.sentence
    assert "only one image" in verdict.sentence


def test_few_images_are_judged_by_their_parts(images):
    comparison = compare(images(lambda s: {"pixels": 6, "drop": 3}, lambda s: {"pixels": 0}, n=2))
    assert comparison.verdict.unit == "parts of images"
    assert comparison.verdict.recommended


def test_images_of_one_source_are_drawn_together(images):
    cases = [
        replace(c, group=f"g{n % 9}") for n, c in enumerate(images(lambda s: {"pixels": 2}, lambda s: {"pixels": 1}))
    ]
    assert compare(cases).verdict.unit == "sources"


def test_counts_agree_with_the_report_and_with_their_parts(images):
    (case, *_) = images(lambda s: {"pixels": 3, "drop": 2}, lambda s: {"pixels": 1})
    whole = counts_of(case.truth, case.old, 0.0)
    report = evaluate([(case.truth, case.old, None)]).to_json()
    assert pooled_ap(whole) == pytest.approx(report["bioimage_ap_mean"])
    halves = [counts_of(case.truth, case.old, 0.0, box) for box in ((0, 0, 128, 300), (128, 0, 300, 300))]
    assert np.array_equal(sum(halves)[:, 0], whole[:, 0])
    assert np.array_equal(sum(halves)[:, 2], whole[:, 2])


def test_the_images_that_differ_most_come_first(images):
    cases = images(lambda s: {"pixels": 1}, lambda s: {"pixels": 1, "drop": 6 if s == 7 else 0})
    assert next(iter(differing(compare(cases))))["name"] == "7.png"


def test_a_gain_that_may_be_luck_is_called_probable_and_one_that_is_luck_in_a_fifth_of_the_draws_is_not():
    """Counts of ten images by hand: the new model has one true cell more in some, one less in others."""
    old = np.tile([10.0, 2.0, 5.0], (10, 9, 1))
    said = {}
    for n_better in range(11):
        new = old.copy()
        new[:n_better] += [1, 0, -1]
        new[n_better:] += [-1, 0, 1]
        verdict = judge(old, new)
        assert verdict.recommended == (verdict.luck <= LUCK and verdict.difference > 0)
        said[n_better] = (verdict.luck, verdict.sentence)
    assert "is better" in said[10][1]
    probable = [(luck, text) for luck, text in said.values() if SURE < luck <= LUCK]
    assert probable
    assert all("is probably better" in text and f"{luck:.1%}" in text for luck, text in probable)
    assert "may be luck" in next(text for luck, text in said.values() if LUCK < luck < 0.5)


def simulated(rng, n_images, quality, image_spread):
    """(images, 9, 3) counts of a model of some quality; hard images are hard for every model."""
    p = np.clip(quality + image_spread[:, None] - 0.06 * np.arange(9), 0.02, 0.98)
    n = 20
    tp = rng.binomial(n, p)
    return np.stack([tp, rng.binomial(4, 0.5, tp.shape), n - tp], axis=2).astype(float)


def test_over_many_runs_no_worse_model_passes_and_most_better_ones_do():
    rng = np.random.default_rng(1)
    worse = better = passed_worse = passed_better = 0
    for run in range(60):
        spread = rng.normal(0, 0.1, 10)
        truth = rng.choice([-0.3, -0.05, 0.0, 0.1, 0.2])  # sabotaged, a little worse, equal, better
        verdict = judge(simulated(rng, 10, 0.6, spread), simulated(rng, 10, 0.6 + truth, spread), seed=run)
        worse += truth < 0
        better += truth > 0
        passed_worse += truth < 0 and verdict.recommended
        passed_better += truth > 0 and verdict.recommended
    assert worse > 15
    assert passed_worse == 0
    assert passed_better >= 0.9 * better
