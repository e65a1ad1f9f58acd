"""Measurements in a worker thread."""

import csv


def test_a_project_is_measured_image_by_image(in_project, tmp_path, qtbot):
    dock, _projects = in_project
    dock.measuring.start(tmp_path / "all.csv", everything=True)
    qtbot.waitUntil(lambda: not dock.measuring.runner.is_running, timeout=20_000)
    with (tmp_path / "all.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [(r["image"], r["mean_channel0"]) for r in table[::6]] == [("0.tif", "0"), ("1.tif", "1"), ("2.tif", "2")]
