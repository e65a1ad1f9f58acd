"""Commands over many images that a person stops."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from PIL import Image

from napari_centermask import cli
from napari_centermask.evaluation import folder as evaluation_folder
from napari_centermask.evaluation import report as evaluation_report
from napari_centermask.io import images, measurements
from napari_centermask.pipeline import ranking

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
def stopped_at(monkeypatch):
    """Names of images at which a person stops the command."""
    names, real = set(), images.read_image

    def read_image(path, **options):
        if path.name in names:
            raise KeyboardInterrupt
        return real(path, **options)

    for module in (evaluation_folder, ranking, measurements):
        monkeypatch.setattr(module, "read_image", read_image)
    return names


@pytest.fixture
def fields(damaged):
    """The annotated images, all of them good."""
    Image.fromarray(np.ones((128, 160), np.uint8)).save(damaged / "images" / "2.png")
    return damaged


def test_an_evaluation_reports_what_was_done(fields, tmp_path, stopped_at, capsys):
    tokens = ["evaluate", "--data", str(fields), "--split", "test", "--json", str(tmp_path / "r.json")]
    stopped_at.add("3.png")
    assert cli.run(tokens) == 130
    report = json.loads((tmp_path / "r.json").read_text())
    assert [row["name"] for row in report["per_image"]] == ["1.png", "2.png"]
    assert report["stopped"]
    assert "the 2 images that were done" in capsys.readouterr().err
    stopped_at.clear()
    assert cli.run(tokens) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["n_images"] == 3
    assert not report["stopped"]


@pytest.mark.parametrize("judged", ["model", "predictions"])
def test_a_stop_while_an_image_is_scored_keeps_that_image_too(fields, tmp_path, monkeypatch, judged):
    scored, real = [], evaluation_report.covered_fraction

    def covered_fraction(cells):
        scored.append(len(cells))
        if len(scored) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(cells)

    monkeypatch.setattr(evaluation_report, "covered_fraction", covered_fraction)
    tokens = ["evaluate", "--data", str(fields), "--split", "test", "--json", str(tmp_path / "r.json")]
    tokens += ["--predictions", str(fields / "annotations_test.json")] if judged == "predictions" else []
    assert cli.run(tokens) == 130
    report = json.loads((tmp_path / "r.json").read_text())
    assert [row["name"] for row in report["per_image"]] == ["1.png", "2.png"]
    assert report["stopped"]


def test_an_evaluation_of_which_nothing_is_done_reports_nothing(fields, tmp_path, stopped_at):
    stopped_at.add("1.png")
    tokens = ["evaluate", "--data", str(fields), "--split", "test", "--json", str(tmp_path / "r.json")]
    assert cli.run(tokens) == 130
    assert not (tmp_path / "r.json").exists()


def test_a_ranking_ranks_what_was_done(fields, stopped_at, capsys):
    stopped_at.add("3.png")
    assert cli.run(["rank", str(fields / "images")]) == 130
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "2 of 3 images are ranked" in err


def test_a_table_is_written_whole_or_not_at_all_and_the_same_command_starts_again(fields, tmp_path, stopped_at):
    tokens = ["measure", str(fields / "annotations_test.json"), "--out", str(tmp_path / "m.csv")]
    before = sorted(tmp_path.iterdir())
    stopped_at.add("3.png")
    assert cli.run(tokens) == 130
    assert sorted(tmp_path.iterdir()) == before
    stopped_at.clear()
    assert cli.run(tokens) == 0
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 37
