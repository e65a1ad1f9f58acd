"""Cells get categories by the command line."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from napari_centermask import cli
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import read_coco

pytestmark = pytest.mark.usefixtures("network")


def test_the_cells_of_an_image_that_cannot_be_classified_are_written_as_they_were(
    damaged, tmp_path, capsys, monkeypatch
):
    def classify(plane, instances, classifier):
        return Instances(
            instances.shape, [replace(c, category=2) for c in instances], categories={1: "living", 2: "dead"}
        )

    card = SimpleNamespace(model=SimpleNamespace(categories=["living", "dead"]))
    monkeypatch.setattr(
        "napari_centermask.engines.classifier.load_classifier", lambda *_, **__: SimpleNamespace(card=card)
    )
    monkeypatch.setattr("napari_centermask.pipeline.classify.classify", classify)
    tokens = ["classify", str(damaged / "annotations_test.json"), "--out", str(tmp_path / "c.json")]
    assert cli.run(tokens) == 2
    assert "2.png" in capsys.readouterr().err
    records = read_coco(tmp_path / "c.json")
    assert [{c.category for c in r.instances} for r in records] == [{2}, {1}, {2}]
    assert [len(r.instances) for r in records] == [12] * 3
