"""What `models info` shows of a card."""

import json

from napari_centermask import cli
from napari_centermask.cli.models import _metric_lines


def test_figures_of_each_data_set_take_one_line():
    metrics = {
        "val": {"note": "not measured"},
        "test": {"fluo": {"n_images": 59, "f1": 0.90898, "coco": {"AP": 0.6}}, "histo": {"f1": None}},
    }
    assert _metric_lines(metrics) == ["test", f"  {'fluo':<26}n_images 59  f1 0.909"]


def test_it_says_whether_a_classifier_comes_with_the_model(capsys):
    infos = {}
    for name in ("live-dead", "nuclei"):
        assert cli.run(["models", "info", name, "--json"]) == 0
        infos[name] = json.loads(capsys.readouterr().out)
    assert infos["live-dead"]["classifier"] == "live-dead.classifier.onnx"
    assert infos["live-dead"]["files"][-1].endswith("live-dead.classifier.onnx")
    assert infos["nuclei"]["classifier"] is None
    assert cli.run(["models", "info", "nuclei"]) == 0
    assert "\nclassifier    none\n" in capsys.readouterr().out
