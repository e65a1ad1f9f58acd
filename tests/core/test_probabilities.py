import numpy as np
import pytest

from napari_centermask.core.probabilities import mixed, tempered

A = np.array([[0.9, 0.1], [0.4, 0.6], [np.nan, np.nan]])
B = np.array([[0.3, 0.7], [np.nan, np.nan], [np.nan, np.nan]])


def test_mean_by_weights_over_the_models_that_say_something():
    combined = mixed([A, B], [3, 1])
    assert np.allclose(combined[0], [0.75, 0.25])
    assert np.allclose(combined[1], [0.4, 0.6])
    assert np.isnan(combined[2]).all()


def test_votes_count_each_model_by_its_weight():
    c = np.array([[0.2, 0.8]] * 3)
    assert np.allclose(mixed([A, B, c], vote=True)[0], [1 / 3, 2 / 3])
    assert np.allclose(mixed([A, B, c], [2, 1, 1], vote=True)[0], [0.5, 0.5])


def test_weights_must_fit():
    with pytest.raises(ValueError, match="must be 2 numbers"):
        mixed([A, B], [1])


def test_a_temperature_of_1_changes_nothing_and_none_are_none():
    p = np.array([0.3, 0.7], np.float32)
    assert tempered(p, 1.0) is p
    assert tempered(np.zeros((2, 0)), 0.5).shape == (2, 0)
    assert tempered(p, 0.5)[1] > 0.7
