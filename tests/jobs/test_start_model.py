"""Who names no start model gets the one that the product proposes for the images, or their own."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.images import read_plane
from napari_centermask.jobs import start_model as module
from napari_centermask.jobs.start_model import start_model
from napari_centermask.models.store import zoo

SAMPLES = Path(zoo.__file__).parents[2] / "resources" / "samples"
PHASE, FLUORESCENCE, STAINED = "cells_phase_16bit.png", "nuclei_fluorescence.png", "nuclei_histology.png"


@pytest.fixture
def folder(tmp_path, cells):
    """Builds a folder of our sample images with some cells in each, made by a model or by hand."""

    def build(*samples, source="manual", categories=("cell",), own=0):
        (tmp_path / "data" / "images").mkdir(parents=True)
        records = []
        for n, sample in enumerate(samples, start=1):
            path = tmp_path / "data" / "images" / f"{n}.png"
            shutil.copyfile(SAMPLES / sample, path)
            shape = np.asarray(read_plane(path, ())).shape[1:]
            truth = cells(n=6, overlap=0.0, seed=n, shape=shape, radius=8)
            names = dict(enumerate(categories, start=1))
            truth.categories = names
            for cell in list(truth):
                category = 1 + cell.id % len(names)
                made_by = source if cell.id > own else "manual"
                truth.set(cell.id, replace(cell, source=made_by, category=category, status="corrected"))
            records.append(ImageRecord(n, path.name, None, shape, truth))
        write_coco(tmp_path / "data" / "annotations.json", records)
        return tmp_path / "data"

    return build


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """An installed model of the user's own, whose card keeps the name that it was trained under."""
    known = zoo.find_model("nuclei")
    own = replace(known, name="mine", card=known.card.model_copy(update={"name": "trained"}), shipped=False)
    monkeypatch.setattr(module, "list_models", lambda: [*zoo.list_models(), own])
    return own


@pytest.mark.parametrize(
    ("samples", "name", "seen"),
    [
        ([PHASE, PHASE], "cells", "transmitted light (phase contrast, bright field), which 2 of 2 images look like"),
        ([FLUORESCENCE], "nuclei", "fluorescence, which 1 of 1 image looks like"),
        ([FLUORESCENCE, STAINED], "nuclei", "fluorescence and stained sections, which 2 of 2 images look like"),
        ([PHASE, FLUORESCENCE, PHASE], "cells", "which 2 of 3 images look like"),
        ([PHASE, FLUORESCENCE, STAINED], "nuclei", "which 2 of 3 images look like"),
    ],
)
def test_the_included_model_that_is_proposed_for_most_images_is_taken(folder, samples, name, seen):
    chosen = start_model(folder(*samples))
    assert chosen.name == name
    assert chosen.reason.startswith("it was trained on ")
    assert seen in chosen.reason


def test_an_included_model_that_made_the_cells_stays_for_images_that_it_was_trained_on(folder):
    assert start_model(folder(FLUORESCENCE, source="unet-nuclei")).name == "unet-nuclei"


def test_one_that_made_them_in_other_images_does_not(folder):
    assert start_model(folder(PHASE, source="nuclei")).name == "cells"


@pytest.mark.parametrize("source", ["mine", "trained", "mine by click"])
def test_a_model_of_ones_own_that_made_the_cells_stays_whatever_the_images_are(folder, mine, source):
    chosen = start_model(folder(PHASE, source=source, own=2))
    assert chosen.name == "mine"
    assert "which made 4 of 6 cells" in chosen.reason


def test_a_model_with_the_several_categories_of_the_data_is_taken(folder):
    assert start_model(folder("livedead_brightfield.png", categories=("living", "dead"))).name == "live-dead"


def test_a_blank_image_leaves_the_usual_model_and_says_so(folder, monkeypatch):
    monkeypatch.setattr(module, "count_kinds", lambda records: (Counter(), 1))
    chosen = start_model(folder(FLUORESCENCE))
    assert (chosen.name, chosen.reason) == ("nuclei", "the images do not show which model fits them better")
