"""Two models over folders of images: each image is itself, and what comes from one source is one source."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

import other_tools as tools
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation import compare_models as module
from napari_centermask.evaluation.compare import counts_of
from napari_centermask.evaluation.compare_models import compare_models
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.trained_on import places_of
from napari_centermask.settings import PreprocessSettings

CARD = {"name": "fake", "kind": "centermask", "normalisation": "percentile", "channel_names": []}
CARD |= {"defaults": {}, "diameter": 20.0, "percentiles": (1.0, 99.8)}
NETWORK = SimpleNamespace(categories=["cell"])
ENGINE = SimpleNamespace(card=SimpleNamespace(**CARD, preprocess=PreprocessSettings(), model=NETWORK, trained_on={}))


@pytest.fixture
def models(monkeypatch):
    """Models that find nothing."""
    monkeypatch.setattr(module, "segment", lambda image, *_, **__: Instances(image.shape[1:], categories={1: "cell"}))
    return ENGINE, ENGINE


def folder_of(folder, cells, names, *, planes=0):
    """Annotated images, or one stack of planes for each name."""
    (folder / "images").mkdir(parents=True)
    records = []
    for name in names:
        image = np.random.default_rng(len(records)).integers(0, 255, (planes or 1, 64, 80), dtype=np.uint8)
        tifffile.imwrite(folder / "images" / name, image, imagej=True, metadata={"axes": "ZYX"})
        for plane in [(z,) for z in range(planes)] or [()]:
            instances = cells(n=3, overlap=0.0, shape=(64, 80), radius=7, seed=len(records))
            where = {"plane": plane, "leading": (planes,) if planes else ()}
            records.append(ImageRecord(len(records) + 1, name, None, instances.shape, instances, **where))
    write_coco(folder / "annotations.json", records)
    return folder


def test_images_of_one_name_in_two_folders_are_two(tmp_path, cells, models):
    folders = [folder_of(tmp_path / name, cells, ["1.tif", "2.tif", f"{name}.tif"]) for name in ("a", "b")]
    comparison = compare_models(folders, None, *models, pictures=tmp_path / "pictures")
    assert comparison.verdict.n_sources == 6
    pictures = [row["picture_old"] for row in comparison.per_image]
    assert len(set(pictures)) == 6
    assert len({row["name"] for row in comparison.per_image}) == 6
    assert [row["name"] for row in comparison.per_image][2] == "a.tif"


def test_planes_of_a_stack_are_one_source_with_a_picture_each(tmp_path, cells, models):
    folder = folder_of(tmp_path / "a", cells, ["stack.tif"], planes=10)
    comparison = compare_models([folder], None, *models, pictures=tmp_path / "pictures")
    assert (comparison.verdict.n_sources, comparison.verdict.unit) == (1, "parts of images")
    assert "only one image" in comparison.verdict.sentence
    assert len(list((tmp_path / "pictures").glob("*_old.png"))) == 6


def test_a_model_that_was_trained_on_what_it_is_compared_on_is_not_recommended_by_it(
    tmp_path, cells, models, monkeypatch
):
    folder = folder_of(tmp_path / "a", cells, [f"{n}.tif" for n in range(9)])
    records = read_coco(folder / "annotations.json", images_root=folder / "images")
    right = iter(r.instances for r in records for _ in range(2))

    def segment(image, engine, *_, **__):
        predicted = next(right)
        return predicted if engine is fine_tuned else Instances(predicted.shape, categories={1: "cell"})

    monkeypatch.setattr(module, "segment", segment)
    fine_tuned = SimpleNamespace(card=SimpleNamespace(**vars(ENGINE.card) | {"trained_on": places_of(records[:4])}))
    verdict = compare_models([folder], None, ENGINE, fine_tuned).verdict
    assert verdict.difference == 1.0
    assert verdict.trained_on == (0, 4)
    assert not verdict.recommended
    assert "trained on 4 images of this comparison" in verdict.sentence
    right = iter(r.instances for r in records for _ in range(2))
    fine_tuned.card.trained_on = {}
    assert compare_models([folder], None, ENGINE, fine_tuned).verdict.recommended


def test_models_that_tell_categories_apart_must_have_them_right(tmp_path, cells, models, monkeypatch):
    folder = folder_of(tmp_path / "a", cells, [f"{n}.tif" for n in range(9)])
    records = read_coco(folder / "annotations.json", images_root=folder / "images")
    names = {1: "cell", 2: "dead"}
    right = iter(r.instances for r in records for _ in range(2))

    def segment(image, engine, *_, **__):
        category = 1 if engine is better else 2
        predicted = next(right)
        return Instances(predicted.shape, [replace(c, category=category) for c in predicted], categories=names)

    monkeypatch.setattr(module, "segment", segment)
    both = SimpleNamespace(categories=["cell", "dead"])
    old, better = (SimpleNamespace(card=SimpleNamespace(**vars(ENGINE.card) | {"model": both})) for _ in range(2))
    verdict = compare_models([folder], None, old, better).verdict
    assert (verdict.difference, verdict.recommended) == (1.0, True)
    assert "mean AP by category" in verdict.sentence
    right = iter(r.instances for r in records for _ in range(2))
    old.card.model = NETWORK  # knows one only: the mask is what counts
    assert compare_models([folder], None, old, better).verdict.difference == 0.0


def test_models_are_judged_at_the_diameter_that_they_estimate(tmp_path, cells, monkeypatch):
    asked = []

    def segment(image, engine, settings, **_):
        asked.append(settings.diameter)
        return Instances(image.shape[1:], categories={1: "cell"})

    monkeypatch.setattr(module, "segment", segment)
    compare_models([folder_of(tmp_path / "a", cells, ["1.tif", "2.tif"])], None, ENGINE, ENGINE)
    assert asked == [None] * 4


def test_cells_that_nobody_outlined_count_for_no_model(tmp_path, monkeypatch):
    """A frame outlined in part does not judge models, and what is found in a crowd region is not false."""
    folder = tools.challenge(tmp_path / "ctc", bare=(2,))
    squares = [Instance(id=0, y0=y, x0=x, mask=np.ones((tools.SIDE,) * 2, bool)) for y, x in tools.SQUARES]
    found = Instances(tools.SHAPE, squares, categories={1: "cell"})
    monkeypatch.setattr(module, "segment", lambda *_, **__: found)
    comparison = compare_models([folder], None, ENGINE, ENGINE)
    assert [row["name"] for row in comparison.per_image] == ["01/t000.tif", "01/t004.tif"]
    assert comparison.new.to_json()["precision"] == 1.0

    crowd = folder_of(tmp_path / "crowd", lambda **_: Instances(tools.SHAPE, squares[1:]), ["a.tif"])
    records = [replace(r, crowds=(squares[0],)) for r in read_coco(crowd / "annotations.json")]
    tifffile.imwrite(crowd / "images" / "a.tif", np.zeros(tools.SHAPE, np.uint8))
    write_coco(crowd / "annotations.json", records)
    both = compare_models([crowd], None, ENGINE, ENGINE)
    assert both.old.to_json()["precision"] == both.new.to_json()["precision"] == 1.0
    entries = module._entries(crowd, None)
    judged = module._judge(entries[0], ENGINE, ENGINE)
    assert counts_of(judged.truth, judged.new, 0.0, crowds=judged.crowds)[0].tolist() == [5, 0, 0]
