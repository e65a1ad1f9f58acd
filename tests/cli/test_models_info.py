"""What `models info` shows of a card."""

from napari_centermask.cli.models import _metric_lines


def test_figures_of_each_data_set_take_one_line():
    metrics = {
        "val": {"note": "not measured"},
        "test": {"fluo": {"n_images": 59, "f1": 0.90898, "coco": {"AP": 0.6}}, "histo": {"f1": None}},
    }
    assert _metric_lines(metrics) == ["test", f"  {'fluo':<26}n_images 59  f1 0.909"]
