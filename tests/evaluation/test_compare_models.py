"""Two models over folders of images: each image is itself, and what comes from one source is one source."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_centermask.core.instances import Instances
from napari_centermask.evaluation import compare_models as module
from napari_centermask.evaluation.compare_models import compare_models
from napari_centermask.io.coco import ImageRecord, write_coco
from napari_centermask.settings import PreprocessSettings

CARD = {"defaults": {}, "diameter": 20.0, "kind": "centermask", "percentiles": (1.0, 99.8)}
ENGINE = SimpleNamespace(card=SimpleNamespace(**CARD, preprocess=PreprocessSettings()))


@pytest.fixture
def models(monkeypatch):
    """Models that find nothing."""
    monkeypatch.setattr(
        module, "segment_within", lambda image, *_, **__: Instances(image.shape[1:], categories={1: "cell"})
    )
    return ENGINE, ENGINE


def folder_of(folder, cells, names, *, planes=0):
    """Annotated images, or one stack of planes for each name."""
    (folder / "images").mkdir(parents=True)
    records = []
    for name in names:
        image = np.random.default_rng(len(records)).integers(0, 255, (planes or 1, 64, 80), dtype=np.uint8)
        tifffile.imwrite(folder / "images" / name, image, imagej=True, metadata={"axes": "ZYX"})
        for plane in [(z,) for z in range(planes)] or [()]:
            found = cells(n=3, overlap=0.0, shape=(64, 80), radius=7, seed=len(records))
            where = {"plane": plane, "leading": (planes,) if planes else ()}
            records.append(ImageRecord(len(records) + 1, name, None, found.shape, found, **where))
    write_coco(folder / "annotations.json", records)
    return folder


def test_images_of_one_name_in_two_folders_are_two(tmp_path, cells, models):
    folders = [folder_of(tmp_path / name, cells, ["1.tif", "2.tif", f"{name}.tif"]) for name in ("a", "b")]
    found = compare_models(folders, None, *models, pictures=tmp_path / "pictures")
    assert found.verdict.n_sources == 6
    pictures = [row["picture_old"] for row in found.per_image]
    assert len(set(pictures)) == 6
    assert len({row["name"] for row in found.per_image}) == 6
    assert [row["name"] for row in found.per_image][2] == "a.tif"


def test_planes_of_a_stack_are_one_source_with_a_picture_each(tmp_path, cells, models):
    folder = folder_of(tmp_path / "a", cells, ["stack.tif"], planes=10)
    found = compare_models([folder], None, *models, pictures=tmp_path / "pictures")
    assert (found.verdict.n_sources, found.verdict.unit) == (1, "parts of images")
    assert "Only one image judged" in found.verdict.sentence
    assert len(list((tmp_path / "pictures").glob("*_old.png"))) == 6
