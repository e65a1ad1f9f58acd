"""What a model doubts, contradicts itself on, draws badly or has never seen comes first."""

import numpy as np
import pytest

from napari_centermask.core.instances import Instances
from napari_centermask.core.ranking import ImageSigns, agreement, cell_values, describe, entropy, rank_images


def signs(*, e=0.1, d=0.1, m=0.1, look=(0.0, 0.0)):
    return ImageSigns(e, d, m, np.array(look, float))


def test_entropy_is_one_bit_at_a_half_and_none_at_certainty():
    assert np.allclose(entropy(np.array([0.0, 0.5, 1.0])), [0, 1, 0], atol=1e-6)
    assert entropy(np.array([0.11]))[0] == pytest.approx(0.4999, abs=1e-3)


def test_cells_with_doubtful_scores_and_masks_are_most_useful():
    values = cell_values(np.array([0.99, 0.99, 0.5]), np.array([1.0, 0.4, 0.4]))
    assert values[0] < values[1] < values[2] <= 1
    assert values[2] == pytest.approx(0.5 + 0.5 * 0.6)


def test_agreement_is_the_f1_of_two_findings(cells):
    a = list(cells(n=8, overlap=0))
    assert agreement(a, a) == 1
    assert agreement(a, a[:4]) == pytest.approx(2 * 4 / 12)
    assert agreement(a, []) == 0
    assert agreement([], []) == 1


@pytest.mark.parametrize("sign", ["e", "d", "m"])
def test_each_sign_alone_decides(sign):
    order, values = rank_images([signs(), signs(**{sign: 0.9}), signs()])
    assert order[0] == 1
    assert values[1] == max(values)


def test_images_unlike_the_reviewed_ones_come_first():
    pool = [signs(look=(0.0, 0.0)), signs(look=(5.0, 5.0)), signs(look=(0.1, 0.0))]
    order, _ = rank_images(pool, [np.array([0.0, 0.1])])
    assert order[0] == 1


def test_near_copies_of_a_taken_image_wait():
    pool = [
        signs(e=0.9, look=(0, 0)),
        signs(e=0.8, look=(0.01, 0)),
        signs(e=0.7, look=(9, 9)),
        signs(e=0.1, look=(4, 4)),
    ]
    order, _ = rank_images(pool)
    assert order.index(2) < order.index(1)


def test_every_image_is_ranked_once():
    rng = np.random.default_rng(0)
    pool = [signs(e=rng.random(), d=rng.random(), look=rng.random(2)) for _ in range(20)]
    order, values = rank_images(pool)
    assert sorted(order) == list(range(20))
    assert ((values >= 0) & (values <= 1)).all()
    assert rank_images([]) == ([], pytest.approx([]))


def test_a_description_tells_fine_from_coarse_images():
    fine = np.random.default_rng(0).random((1, 64, 64))
    coarse = np.kron(np.random.default_rng(0).random((1, 8, 8)), np.ones((1, 8, 8)))
    empty = Instances((64, 64))
    assert describe(fine, empty)[10] > describe(coarse, empty)[10]
    assert describe(fine, empty).shape == (16,)
    assert np.isfinite(describe(np.zeros((3, 5, 7)), Instances((5, 7)))).all()
