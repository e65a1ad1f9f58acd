"""The score of a model in training is chosen for what is new and for what the start model was made for."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.instances import Instances
from napari_centermask.training import validate
from napari_centermask.training.trainer import Trainer


def like(sample, *, right, wrong):
    """The true cells with the score `right`, and each once more, moved away, with the score `wrong`."""
    cells = [replace(c, score=right) for c in sample.instances]
    cells += [replace(c, id=0, score=wrong, y0=0, x0=0, mask=np.ones((2, 2), bool)) for c in sample.instances]
    return Instances(sample.instances.shape, cells, categories=sample.instances.categories)


@pytest.fixture
def known(settings, tmp_path):
    """A copy of the data, as what the start model was made for."""
    return shutil.copytree(settings.data[0], tmp_path / "known")


@pytest.fixture
def judged(settings, monkeypatch):
    """Evaluate a model that is sure of new cells, and doubtful but right on those that it was made for."""

    def segmented(sample, engine, settings, *, min_score):
        given = {"right": 0.72, "wrong": 0.57} if sample.folder == "data" else {"right": 0.62, "wrong": 0.37}
        return sample.instances, like(sample, **given), 0.1

    def judge(**changes):
        trainer = Trainer(settings.model_copy(update=changes))
        monkeypatch.setattr(validate, "_segmented", segmented)
        return validate.evaluate(trainer.model, trainer)

    return judge


def test_without_known_images_the_new_ones_choose_the_score(judged):
    found = judged()
    assert found["score"] == 0.6  # of 0.60, 0.65 and 0.70 the nearest to the usual one
    assert found["AP"] == 1.0
    assert "AP_known" not in found


def test_a_score_at_which_known_cells_are_lost_is_not_chosen(judged, known, monkeypatch):
    monkeypatch.setattr(validate, "SCORES", (0.5, 0.6, 0.7))
    assert validate.best_score({0.5: {"AP": 0.5}, 0.6: {"AP": 0.9}, 0.7: {"AP": 1.0}}, 0.5) == 0.7
    found = judged(replay=[known])
    assert found["score"] == 0.6
    assert found["AP"] == found["AP_known"] == 1.0
    monkeypatch.setattr(validate, "SCORES", (0.5, 0.7))
    found = judged(replay=[known])
    assert found["score"] == 0.5  # half of what is found in new images is wrong there; at 0.7 all known cells were lost
    assert (found["AP"], found["AP_known"]) == (0.5, 1.0)


def test_a_folder_without_cells_takes_no_part_in_the_mean(cells):
    empty = Instances((64, 64), categories={1: "cell"})
    truth = cells(n=4, overlap=0.0, shape=(64, 64), radius=7)
    both = {"fields": [(truth, truth, 0.1)], "empty": [(empty, empty, 0.1)]}
    found = validate._summary(both, {"known": [(empty, empty, 0.1)]}, 0.0, ["cell"])
    assert (found["AP"], found["AP50"], found["AP_known"]) == (1.0, 1.0, 0.0)
    assert found["per_folder"]["empty"] == {"AP": None, "AP50": None}


def test_two_folders_of_one_name_are_scored_each_for_itself(judged, settings, tmp_path):
    other = shutil.copytree(settings.data[0], tmp_path / "other" / settings.data[0].name)
    found = judged(data=[settings.data[0], other])
    assert list(found["per_folder"]) == ["data", "data 2"]
