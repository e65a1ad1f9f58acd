"""Methods that assign categories, in one table; none of them needs a network here."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation import folder as folder_module
from napari_centermask.evaluation import methods
from napari_centermask.evaluation.methods import Method, at_temperature, together
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.pipeline import PlaneCells
from napari_centermask.settings import PreprocessSettings, SegmentSettings

NAMES = {1: "living", 2: "dead"}
SHAPE = (60, 60)


def cell(y, x, category, probabilities=(), score=0.9):
    return Instance(0, y, x, np.ones((10, 10), bool), category=category, probabilities=probabilities, score=score)


def cells(*instances):
    return Instances(SHAPE, instances, categories=NAMES)


def test_an_ensemble_counts_only_methods_that_found_the_cell():
    a = cells(cell(5, 5, 1, (0.8, 0.2)), cell(30, 30, 1, (0.7, 0.3)))
    b = cells(cell(31, 31, 2, (0.1, 0.9)), cell(50, 5, 2, (0.0, 1.0)))
    mean = list(together([a, b], ("living", "dead")))
    assert len(mean) == 2
    assert mean[0].probabilities == pytest.approx((0.8, 0.2))
    assert mean[1].probabilities == pytest.approx((0.4, 0.6))
    assert [c.category for c in mean] == [1, 2]
    weighted = list(together([a, b], ("living", "dead"), weights=[3, 1]))
    assert weighted[1].probabilities == pytest.approx((0.55, 0.45))
    voted = list(together([a, b, b], ("living", "dead"), vote=True))
    assert voted[1].probabilities == pytest.approx((1 / 3, 2 / 3))
    assert len(together([cells(), a], ("living", "dead"))) == 0


def test_temperature_moves_probabilities_and_no_category():
    before = cells(cell(5, 5, 1, (0.8, 0.2)), cell(30, 30, 2))
    after = list(at_temperature(before, 0.5))
    assert after[0].probabilities == pytest.approx((0.64 / 0.68, 0.04 / 0.68))
    assert after[1].probabilities == ()
    assert [c.category for c in after] == [1, 2]


def test_truth_alone_is_not_a_method():
    with pytest.raises(BadSettings, match=r"truth\+CLASSIFIER"):
        Method("truth", SegmentSettings())


def test_a_model_gets_the_channel_names_in_the_file(tmp_path, monkeypatch):
    path, seen = tmp_path / "a.ome.tif", []
    tifffile.imwrite(
        path, np.zeros((2, *SHAPE), np.uint8), metadata={"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}}
    )
    facts = {"name": "fake", "kind": "centermask", "normalisation": "percentile", "channel_names": []}
    card = SimpleNamespace(defaults={}, percentiles=(1.0, 99.8), preprocess=PreprocessSettings(), **facts)
    monkeypatch.setattr(methods, "load_chosen", lambda *_, **__: SimpleNamespace(card=card))

    def segment_planes(planes, engine, settings, **_):
        seen.append(settings.channel_names)
        yield PlaneCells(planes[0], cells(), 20.0)

    monkeypatch.setattr(folder_module, "segment_planes", segment_planes)
    record = ImageRecord(1, path.name, path, SHAPE, cells(cell(5, 5, 1)))
    Method("model", SegmentSettings()).run([record], "test")
    Method("model", SegmentSettings(channel_names=["a", "b"])).run([record], "test")
    assert seen == [["GFP", "DAPI"], ["a", "b"]]
