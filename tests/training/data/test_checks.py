"""Data that cannot be trained on are refused before the first step; the message names the file and the remedy."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadAnnotations, BadImage, BadSettings
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.settings import ModelSettings, UNetSettings
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.data.facts import data_hashes
from napari_centermask.training.data.loader import judging
from napari_centermask.training.run.loop import train


@pytest.fixture(params=[ModelSettings, UNetSettings])
def run(request, settings):
    """Settings of a run on the folder, of each family."""
    return settings.model_copy(update={"model": request.param(in_channels=1)})


def with_model(settings, **changes):
    return settings.model_copy(update={"model": settings.model.model_copy(update=changes)})


def rewrite(folder, split, change):
    """Change the records of a split."""
    path = folder / f"annotations_{split}.json"
    records = read_coco(path, images_root=folder / "images")
    write_coco(path, [change(record) for record in records])


def categories_of(record, names, category):
    """The record with these names and a category for each cell."""
    record.instances.categories = names
    for number, cell in enumerate(list(record.instances)):
        record.instances.set(cell.id, replace(cell, category=category(number)))
    return record


def without_cells(record):
    for id in list(record.instances.ids):
        record.instances.set(id, None)
    return record


def test_good_data_pass(run):
    check_data(run)


def test_masks_of_another_size_than_the_image(folder, run):
    Image.fromarray(np.zeros((120, 200), np.uint8)).save(folder / "images" / "train_2.png")
    with pytest.raises(BadAnnotations, match=r"annotations_train.json has 160 x 200 .* train_2\.png, the file has 120"):
        check_data(run)


@pytest.mark.parametrize("split", ["train", "val"])
def test_images_with_other_channels(folder, run, split):
    (path,) = (folder / "images").glob(f"{split}_[13].png")
    np.save(path.with_suffix(".npy"), np.zeros((5, 160, 200), np.uint8))
    annotations = folder / f"annotations_{split}.json"
    annotations.write_text(annotations.read_text().replace(path.name, path.stem + ".npy"))
    with pytest.raises(BadImage, match=rf"needs 1 channel, .*{split}_.\.npy has 5\. Set model\.in_channels to 5"):
        check_data(run)
    check_data(with_model(run, in_channels=5))  # one channel is repeated
    with pytest.raises(BadImage, match=r"needs 1 or 4 channels, .* has 5\. Choose another start model"):
        check_data(with_model(run.model_copy(update={"start": "nuclei"}), in_channels=4))


def test_categories_that_the_model_lacks(folder, run):
    rewrite(folder, "val", lambda r: categories_of(r, {1: "living", 2: "dead"}, lambda n: 1 + n % 2))
    rewrite(folder, "train", lambda r: categories_of(r, {1: "living", 2: "dying"}, lambda n: 1 + n % 2))
    with pytest.raises(BadAnnotations, match=r"living, dead, but train_1\.png in .*train\.json has dying"):
        check_data(with_model(run, categories=["living", "dead"]))
    check_data(run)  # a model of one category takes every cell for it


def test_one_category_where_there_should_be_two(folder, run):
    for split in ("train", "val"):
        rewrite(folder, split, lambda r: categories_of(r, {1: "living", 2: "dead"}, lambda n: 1))
    with pytest.raises(BadSettings, match=r"annotations_train\.json has living but no cells of dead\. Annotate some"):
        check_data(with_model(run, categories=["living", "dead"]))


@pytest.mark.parametrize("split", ["train", "val"])
def test_images_that_are_all_background(folder, run, split):
    rewrite(folder, split, without_cells)
    with pytest.raises(BadAnnotations, match=rf"no cells in the {split} images of .*annotations_{split}\.json"):
        check_data(run)


def test_a_run_says_it_before_its_first_step(folder, settings):
    path = folder / "annotations_train.json"
    content = json.loads(path.read_text())
    content["annotations"] = []
    path.write_text(json.dumps(content))
    seen = []
    run = (seen.append(event.event) for event in train(settings))
    with pytest.raises(BadAnnotations, match="There are no cells in the train images"):
        list(run)
    assert set(seen) <= {"start", "stage"}


def test_replayed_folders_need_images_to_judge_by_too(folder, run, tmp_path):
    known = shutil.copytree(folder, tmp_path / "known")
    replayed = run.model_copy(update={"replay": [known]})
    check_data(replayed)
    (known / "annotations_val.json").unlink()
    with pytest.raises(BadAnnotations, match=r"no annotations at .*known/annotations_val\.json"):
        check_data(replayed)


def test_a_folder_without_val_is_trained_on_alone_where_another_judges(folder, run, tmp_path):
    more = tmp_path / "more"
    shutil.copytree(folder, more)
    (more / "annotations_val.json").unlink()
    check_data(run.model_copy(update={"data": [more, folder]}))
    assert judging([more, folder]) == [folder]
    assert {name: set(kept) for name, kept in data_hashes([more, folder]).items()} == {
        "more": {"train"},
        "data": {"train", "val"},
    }
    with pytest.raises(BadAnnotations, match=r"no annotations at .*more/annotations_val\.json"):
        check_data(run.model_copy(update={"data": [more]}))
