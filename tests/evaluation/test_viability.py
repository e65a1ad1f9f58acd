import numpy as np
import pytest
from scipy.integrate import trapezoid
from sklearn import metrics

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.probabilities import tempered
from napari_centermask.evaluation.curves import calibration, roc_auc
from napari_centermask.evaluation.viability import (
    Judged,
    balanced_accuracy,
    confusion,
    curves_of,
    fit_temperature,
    judge,
    log_loss,
    report,
    scores_of,
    viability_errors,
)

NAMES = ("living", "dead")


@pytest.fixture
def answers():
    """Truth and rounded scores, so that some are equal, of 300 cells; a third is positive."""
    rng = np.random.default_rng(3)
    truth = rng.random(300) < 0.33
    return truth, np.round(np.clip(0.25 * rng.normal(size=300) + 0.35 + 0.3 * truth, 0, 1), 2)


def judged(truth, probability, images=10):
    truth = np.asarray(truth, np.int64)
    image = np.arange(len(truth)) % images
    counts = np.zeros((2, images, 2), np.int64)
    np.add.at(counts[0], (image, truth), 1)
    np.add.at(counts[1], (image, (np.asarray(probability) > 0.5).astype(int)), 1)
    return Judged(NAMES, truth, np.stack([1 - probability, probability], axis=1), image, *counts, {})


def cell(y, x, category, *, side=10, score=1.0, probabilities=()):
    mask = np.ones((side, side), bool)
    return Instance(0, y, x, mask, category=category, score=score, probabilities=probabilities)


def test_figures_of_a_confusion_matrix_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    table = confusion(truth, said, 3)
    values = scores_of(table)
    expected = metrics.precision_recall_fscore_support(truth, said)
    assert (table == metrics.confusion_matrix(truth, said)).all()
    for name, column in zip(("precision", "recall", "f1"), expected, strict=False):
        assert np.allclose(values[name], column)
    assert balanced_accuracy(table) == pytest.approx(metrics.balanced_accuracy_score(truth, said))


def test_temperature_undoes_too_much_confidence():
    rng = np.random.default_rng(1)
    honest = rng.beta(0.7, 0.7, 4000)
    truth = rng.random(4000) < honest
    sure = tempered(np.stack([1 - honest, honest], axis=1), 0.5)
    confident = judged(truth, sure[:, 1])
    temperature = fit_temperature(confident)
    assert temperature == pytest.approx(2.0, rel=0.1)
    after = tempered(confident.probabilities, temperature)
    assert log_loss(confident.truth, after) < log_loss(confident.truth, confident.probabilities)
    assert calibration(truth, after[:, 1]).error < 0.5 * calibration(truth, sure[:, 1]).error
    assert log_loss(confident.truth, after) == pytest.approx(metrics.log_loss(confident.truth, after))


def test_temperature_keeps_the_order_and_the_sum():
    p = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    for temperature in (0.3, 1.0, 5.0):
        q = tempered(p, temperature)
        assert np.allclose(q.sum(axis=1), 1)
        assert (q.argsort(axis=1)[:, ::-1][:, 0] == 0).all()
    assert np.allclose(tempered(p, 1.0), p)


def test_cells_are_matched_by_boxes_and_the_rest_is_counted():
    truth = Instances((100, 100), [cell(0, 0, 1), cell(0, 30, 2), cell(50, 50, 2)], categories={1: "living", 2: "dead"})
    there = {1: "dead", 2: "living"}  # other ids for the same names
    predicted = Instances(
        (100, 100),
        [
            cell(1, 1, 2, probabilities=(0.2, 0.8)),
            cell(0, 31, 2, probabilities=(0.4, 0.6)),
            cell(80, 80, 1, probabilities=(0.9, 0.1)),
            cell(50, 50, 1, score=0.1, probabilities=(0.9, 0.1)),
        ],
        categories=there,
    )
    matched = judge([(truth, predicted)], NAMES, score=0.3)
    order = np.argsort(matched.truth)
    assert matched.truth[order].tolist() == [0, 1]
    assert np.allclose(matched.probabilities[order], [[0.8, 0.2], [0.6, 0.4]])
    assert matched.n_truth.tolist() == [[1, 2]]
    assert matched.n_predicted.tolist() == [[2, 1]]
    values = report(matched, positive="dead", samples=20)
    assert (values["cells"], values["found"], values["false"]) == (3, 2, 1)
    assert values["per_category"]["dead"]["recall"] == 0.0
    assert values["viability"]["mean_absolute"] == pytest.approx(100 * (2 / 3 - 1 / 3))


def test_box_ap_looks_at_boxes_not_at_masks():
    full = Instances((40, 40), [cell(0, 0, 1)], categories={1: "living", 2: "dead"})
    ring = np.ones((10, 10), bool)
    ring[1:-1, 1:-1] = False
    thin = Instances((40, 40), [Instance(0, 0, 0, ring)], categories={1: "living", 2: "dead"})
    assert judge([(full, thin)], NAMES).box_ap["AP"] == pytest.approx(1.0)


def test_unknown_categories_are_refused():
    truth = Instances((40, 40), [cell(0, 0, 1)], categories={1: "yeast"})
    with pytest.raises(BadAnnotations, match="yeast"):
        judge([(truth, truth)], NAMES)


def test_intervals_hold_the_value_and_draw_whole_images(answers):
    truth, score = answers
    values = report(judged(truth, score), positive="dead", samples=200, seed=1)
    low, high = values["intervals"]["roc_auc"]
    assert low < values["roc_auc"] < high
    one_image = report(judged(truth, score, images=1), positive="dead", samples=5)
    assert one_image["intervals"]["roc_auc"] == [pytest.approx(one_image["roc_auc"])] * 2


def test_viability_of_images_without_cells_is_left_out():
    matched = judged([0, 1], np.array([0.1, 0.9]), images=3)
    assert viability_errors(matched, "dead") == {
        "images": 2,
        "mean_absolute": 0.0,
        "bias": 0.0,
        "pooled_true": 50.0,
        "pooled_predicted": 50.0,
    }


def test_nothing_found_gives_no_figures_but_no_failure():
    truth = Instances((40, 40), [cell(0, 0, 2)], categories={1: "living", 2: "dead"})
    values = report(judge([(truth, Instances((40, 40), categories=truth.categories))], NAMES), positive="dead")
    assert values["found"] == 0
    assert values["roc_auc"] is None
    assert values["intervals"]["f1"] is None


def test_curves_are_of_the_positive_category(answers):
    truth, score = answers
    curves = curves_of(judged(truth, score), "dead")
    assert trapezoid(curves["roc"].y, curves["roc"].x) == pytest.approx(roc_auc(truth, score))
