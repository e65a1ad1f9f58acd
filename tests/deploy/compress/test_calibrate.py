"""Ranges are measured on what the pipeline feeds the graphs with."""

import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.deploy.compress.calibrate import calibrate
from napari_centermask.engines.load import load_engine
from napari_centermask.settings import SegmentSettings

SETTINGS = SegmentSettings(diameter=40)


@pytest.fixture
def engine(models):
    return load_engine(models["centermask"], engine="openvino", device="cpu")


def test_each_graph_is_fed_as_in_the_pipeline(engine, images):
    found = calibrate(engine, sorted(images.iterdir()), SETTINGS, most=4)
    assert found.n_images == 10
    assert {name: len(feeds) for name, feeds in found.feeds.items()} == {"dense": 4, "roi": 4}
    assert {"rois", "classes", "p3"} < set(found.feeds["roi"][0])
    assert found.feeds["dense"][0]["image"].shape == (1, 3, 64, 64)


def test_no_images_are_refused_and_one_is_said_to_be_few(engine, images):
    with pytest.raises(BadSettings, match="needs images like those"):
        calibrate(engine, [], SETTINGS)
    said = []
    calibrate(engine, sorted(images.iterdir())[:1], SETTINGS, say=said.append)
    assert "one image only" in said[0]


def test_images_without_cells_are_refused(engine, images):
    with pytest.raises(BadSettings, match="Found no cells in 10 images"):
        calibrate(engine, sorted(images.iterdir()), SegmentSettings(diameter=40, score=0.99))
