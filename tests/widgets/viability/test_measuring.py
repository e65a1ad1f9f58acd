"""Measurements in a worker thread."""

import csv


def test_a_project_is_measured_image_by_image(in_project, tmp_path, qtbot):
    dock, _projects = in_project
    dock.measuring.start(tmp_path / "all.csv", everything=True)
    qtbot.waitUntil(lambda: not dock.measuring.runner.is_running, timeout=20_000)
    with (tmp_path / "all.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [(r["image"], r["mean_channel0"]) for r in table[::6]] == [("0.tif", "0"), ("1.tif", "1"), ("2.tif", "2")]


def test_images_that_cannot_be_read_are_left_out_and_named(in_project, project, tmp_path, qtbot, notices):
    dock, _projects = in_project
    (project / "1.tif").write_bytes(b"damaged")
    dock.measuring.start(tmp_path / "all.csv", everything=True)
    qtbot.waitUntil(lambda: not dock.measuring.runner.is_running, timeout=20_000)
    with (tmp_path / "all.csv").open() as stream:
        assert {row["image"] for row in csv.DictReader(stream)} == {"0.tif", "2.tif"}
    saved, left_out = notices()[-2:]
    assert saved.startswith("Measured 12 cells.")
    assert left_out.startswith("Left out 1 image. 1.tif")
