import numpy as np
import pytest
from sklearn import metrics

from napari_centermask.evaluation.curves import average_precision, calibration, precision_recall, roc, roc_auc


@pytest.fixture
def answers():
    """Truth and rounded scores, so that some are equal, of 300 cells; a third is positive."""
    rng = np.random.default_rng(3)
    truth = rng.random(300) < 0.33
    return truth, np.round(np.clip(0.25 * rng.normal(size=300) + 0.35 + 0.3 * truth, 0, 1), 2)


def test_areas_under_curves_are_those_of_scikit_learn(answers):
    truth, score = answers
    assert roc_auc(truth, score) == pytest.approx(metrics.roc_auc_score(truth, score))
    assert average_precision(truth, score) == pytest.approx(metrics.average_precision_score(truth, score))


def test_curves_go_through_the_points_of_scikit_learn(answers):
    truth, score = answers
    fpr, tpr, threshold = metrics.roc_curve(truth, score, drop_intermediate=False)
    curve = roc(truth, score)
    assert np.allclose(curve.x, fpr)
    assert np.allclose(curve.y, tpr)
    assert np.allclose(curve.threshold[1:], threshold[1:])
    precision, recall, _ = metrics.precision_recall_curve(truth, score)
    ours = precision_recall(truth, score)
    assert np.allclose(ours.x, recall[:-1][::-1])
    assert np.allclose(ours.y, precision[:-1][::-1])


def test_calibration_error_by_hand():
    curve = calibration(np.array([0, 1, 1, 1], bool), np.array([0.05, 0.05, 0.95, 0.95]))
    assert curve.count.tolist() == [2, 2]
    assert curve.observed.tolist() == [0.5, 1.0]
    assert curve.error == pytest.approx((0.45 + 0.05) / 2)


def test_one_class_only_has_no_area():
    assert roc_auc(np.ones(3, bool), np.arange(3.0)) is None
    assert average_precision(np.zeros(3, bool), np.arange(3.0)) is None
