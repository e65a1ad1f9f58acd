"""The benchmark measures on images of the sizes that were asked for and reports what it measured."""

import json

import numpy as np

from napari_centermask import cli
from napari_centermask.deploy import benchmark as measure


def test_images_are_brought_to_each_size_and_the_report_is_written(capsys, tmp_path, monkeypatch):
    seen = []

    def benchmark(model, images, *, engines, **_):
        seen.extend(i.shape for i in images)
        yield measure.Row(engines[0], "cpu", 40, 40, 3, 5, 0.5, 0.25, 0.125, 0.125, 2.0, 0.0032, None)

    monkeypatch.setattr(measure, "benchmark", benchmark)
    np.save(tmp_path / "a.npy", np.ones((30, 50), np.uint8))
    tokens = ["benchmark", str(tmp_path / "a.npy"), "--sizes", "40,0", "--engines", "onnx", "--json"]
    assert cli.run([*tokens, "--out", str(tmp_path / "speed.json")]) == 0
    assert seen == [(1, 40, 40), (1, 30, 50)]
    report = json.loads(capsys.readouterr().out)
    assert report["rows"][0]["engine"] == "onnx"
    assert json.loads((tmp_path / "speed.json").read_text()) == report
