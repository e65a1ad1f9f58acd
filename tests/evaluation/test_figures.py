import numpy as np
import pytest
from PIL import Image

from napari_centermask.evaluation.figures import draw_curves
from napari_centermask.evaluation.viability import Judged

pytest.importorskip("matplotlib")


def judged(truth):
    """Ten images of the given cells, 1 for dead, with a probability near the truth."""
    truth = np.asarray(truth, np.int64)
    dead = np.clip(0.2 + 0.6 * truth + 0.1 * np.arange(len(truth)) / len(truth), 0, 1)
    counts = np.zeros((10, 2), np.int64)
    return Judged(
        ("living", "dead"), truth, np.stack([1 - dead, dead], axis=1), np.arange(len(truth)) % 10, counts, counts, {}
    )


def test_three_panels_are_drawn_into_a_folder_that_is_made(tmp_path):
    path = tmp_path / "report" / "curves.png"
    draw_curves(path, {"model": judged([0, 1] * 20)}, positive="dead")
    picture = np.asarray(Image.open(path).convert("L"))
    assert picture.shape[1] > 2.5 * picture.shape[0]
    thirds = np.array_split(picture, 3, axis=1)
    assert all((part < 128).sum() > 500 for part in thirds)


def test_a_way_of_one_class_only_draws_no_line(tmp_path):
    draw_curves(tmp_path / "one.svg", {"model": judged([0, 1] * 20), "empty": judged([0] * 20)}, positive="dead")
    draw_curves(tmp_path / "two.svg", {"model": judged([0, 1] * 20)}, positive="dead")
    assert (tmp_path / "one.svg").stat().st_size == pytest.approx((tmp_path / "two.svg").stat().st_size, rel=0.01)
