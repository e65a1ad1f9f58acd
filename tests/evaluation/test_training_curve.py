"""AP over the steps and the time of a training."""

import csv

import pytest

from napari_centermask.evaluation.training_curve import ApPoint, ap_points, draw_ap, thinned, write_csv

ROWS = [
    {"step": 0, "AP": 0.1, "AP50": 0.2, "training_seconds": 0.0},
    {"step": 20, "seconds": 40, "loss": 1.0},
    {"step": 25, "AP": 0.3, "AP50": 0.5, "AP_known": 0.6, "training_seconds": 51.5},
    {"step": 40, "seconds": 80, "loss": 0.9},
]


def test_points_are_the_evaluations_with_the_time_of_training_until_then():
    assert ap_points(ROWS) == [ApPoint(0, 0.0, 0.1, 0.2), ApPoint(25, 51.5, 0.3, 0.5, 0.6)]


def test_a_time_that_was_not_recorded_is_interpolated_between_reports_of_losses():
    rows = [{k: v for k, v in row.items() if k != "training_seconds"} for row in ROWS]
    assert [point.seconds for point in ap_points(rows)] == [0.0, 50.0]


def test_cards_of_earlier_versions_have_steps_alone():
    rows = [
        {"step": 20, "loss": 1.0},
        {"step": 25, "AP": 0.3, "AP50": 0.5, "seconds": 7.0},
    ]  # these took the evaluation
    assert ap_points(rows) == [ApPoint(25, None, 0.3, 0.5)]


def test_fewer_rows_keep_every_evaluation():
    """999 rows, of which each fifth but one before a multiple of ten is an evaluation: most lie between those that stay."""
    rows = [{"step": n, "AP": 0.5} if n % 5 == 3 else {"step": n, "loss": 1.0} for n in range(1000)]
    few = thinned(rows, most=100)
    assert [row["step"] for row in few if "AP" in row] == list(range(3, 1000, 5))
    assert [row["step"] for row in few if "loss" in row] == list(range(0, 1000, 10))
    assert thinned(ROWS) == ROWS


def test_the_table_has_a_line_for_each_evaluation(tmp_path):
    write_csv(tmp_path / "ap.csv", ap_points(ROWS))
    with (tmp_path / "ap.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["0", "25"]
    assert rows[0] == {"step": "0", "seconds": "0.0", "AP": "0.1", "AP50": "0.2", "AP_known": ""}


def test_the_figure_has_ap_against_steps_and_minutes(tmp_path):
    pytest.importorskip("matplotlib")
    draw_ap(tmp_path / "ap.svg", ap_points(ROWS))
    draw_ap(tmp_path / "ap.png", ap_points(ROWS[2:3]))
    assert (tmp_path / "ap.png").read_bytes()[1:4] == b"PNG"
    text = (tmp_path / "ap.svg").read_text()
    assert "minutes of training" in text
    assert "AP50" in text
