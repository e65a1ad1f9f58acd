"""The demo segments the sample and draws it."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.cli.demo import overlay, sample_image
from napari_centermask.core.compose import label_image

pytestmark = pytest.mark.usefixtures("network")


def test_the_demo_draws_the_sample(capsys, tmp_path):
    assert cli.run(["demo", "--no-window", "--json", "--out", str(tmp_path / "demo")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_instances"] == 12
    picture = np.asarray(Image.open(report["overlay"]))
    assert picture.shape == (*np.asarray(Image.open(sample_image())).shape[:2], 3)


def test_the_demo_says_why_napari_does_not_open(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert cli.run(["demo", "--out", str(tmp_path)]) == 0
    assert "no display" in capsys.readouterr().err


def test_the_overlay_leaves_the_background_and_colours_every_cell(cells):
    instances = cells(n=12)
    picture = overlay(np.zeros((1, 256, 256), np.uint16), instances)
    inside = label_image(instances) > 0
    assert (picture[~inside] == 0).all()
    assert (picture[inside].max(axis=1) > 0).all()
