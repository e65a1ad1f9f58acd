"""Unlabelled images get the cells of which a model is sure as truth; doubtful ones are neither cells nor background."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sampled import PLAIN

from napari_centermask.core.errors import BadImage
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.trained_on import fingerprint
from napari_centermask.pipeline import PlaneCells, Progress
from napari_centermask.pipeline.progress import run_through
from napari_centermask.training.data import pseudo_labels
from napari_centermask.training.data.facts import data_facts
from napari_centermask.training.data.loader import load_split, tiles_of
from napari_centermask.training.data.pseudo_labels import Counts, label_images, labelled_folder

SCORES = (0.9, 0.8, 0.75, 0.6, 0.3)


@pytest.fixture
def unlabelled(settings, tmp_path, cells, monkeypatch):
    """Settings with three unlabelled images: of five cells each, of none, and of a damaged file."""
    folder = tmp_path / "more"
    folder.mkdir()
    for name, level in (("a", 90), ("b", 80), ("empty", 0)):
        Image.fromarray(np.full((160, 200), level, np.uint8)).save(folder / f"{name}.png")
    (folder / "damaged.png").write_bytes(b"no image")

    def segment_planes(planes, engine, own, *, min_score):
        assert min_score == 0.2
        for plane in planes:
            yield Progress(0, 1, "Tile")
            found = cells(n=5, overlap=0.0, seed=4, shape=plane.shape, radius=12)
            for cell, score in zip(list(found), SCORES, strict=True):
                found.set(cell.id, replace(cell, score=score, status="predicted", source="start"))
            if np.asarray(plane.pixels).max() == 0:
                for cell in list(found):
                    found.set(cell.id, replace(cell, score=0.5))
            yield PlaneCells(plane, found, 20.0)

    monkeypatch.setattr(pseudo_labels, "segment_planes", segment_planes)
    return settings.model_copy(update={"unlabelled": [folder], "augment": PLAIN, "unlabelled_part": 0.5})


def labelled(settings):
    left_out = LeftOut[str]()
    counts = run_through(label_images(settings, SimpleNamespace(card=None), left_out))
    return counts, left_out


def test_sure_cells_are_truth_and_doubtful_ones_are_unknown(unlabelled):
    counts, left_out = labelled(unlabelled)
    assert counts == Counts(images=2, empty=1, sure=6, doubtful=4)
    assert counts.sentence == (
        "Of 3 unlabelled images, 2 are used: the model is sure of 6 cells, and 4 low-confidence ones are ignored. "
        "1 without a sure cell is left out."
    )
    assert [name.rsplit("/", 1)[-1] for name in left_out.why] == ["damaged.png"]
    samples = load_split(labelled_folder(unlabelled), "train")
    assert [sample.name for sample in samples] == ["00000_a.png", "00001_b.png"]
    for sample in samples:
        assert len(sample.instances) == 3
        assert len(sample.doubtful) == 2
        assert sample.reviewed == ((0, 0, 160, 200),)


def test_the_loss_gets_no_background_where_the_model_is_in_doubt(unlabelled):
    labelled(unlabelled)
    tiles = tiles_of(unlabelled)
    unknown = [tile.unreviewed for tile in (tiles[n] for n in range(16)) if tile.unreviewed is not None]
    assert 2 <= len(unknown) <= 14  # half of the tiles
    assert any(one.any() for one in unknown)
    assert tiles._folder_weights.tolist() == [0.5, 0.5]


def test_a_higher_score_makes_fewer_cells_true(unlabelled):
    counts, _ = labelled(unlabelled.model_copy(update={"unlabelled_score": 0.85}))
    assert (counts.sure, counts.doubtful) == (2, 8)


def test_without_a_sure_cell_there_is_nothing_to_train_on(unlabelled):
    labelled(unlabelled)  # an earlier run in the same folder
    with pytest.raises(BadImage, match="not sure of any cell in the 4 unlabelled images.*Lower unlabelled_score"):
        labelled(unlabelled.model_copy(update={"unlabelled_score": 0.95}))
    assert labelled_folder(unlabelled) is None


def test_copies_of_annotated_images_are_not_labelled(unlabelled, folder):
    (more,) = unlabelled.unlabelled
    copy = next((folder / "images").glob("val_*"))
    (more / "copy.png").write_bytes(copy.read_bytes())
    counts, _ = labelled(unlabelled)
    assert counts.images + counts.empty == 3
    alone = more.parent / "alone"
    alone.mkdir()
    (alone / "copy.png").write_bytes(copy.read_bytes())
    with pytest.raises(BadImage, match="in the annotated data, too"):
        labelled(unlabelled.model_copy(update={"unlabelled": [alone]}))


def test_the_card_counts_them(unlabelled):
    assert "unlabelled" not in data_facts(unlabelled, {})
    labelled(unlabelled)
    facts = data_facts(unlabelled, {})
    assert facts["unlabelled"] == {"images": 2, "sure": 6, "doubtful": 4}


def test_no_later_split_holds_out_an_image_with_pseudo_labels(unlabelled):
    annotated = data_facts(unlabelled, {})["learned"]
    labelled(unlabelled)
    (more,) = unlabelled.unlabelled
    whole = [(0, 0, 160, 200)]
    own = {fingerprint(more / name): whole for name in ("a.png", "b.png")}
    assert data_facts(unlabelled, {})["learned"] == annotated | own
