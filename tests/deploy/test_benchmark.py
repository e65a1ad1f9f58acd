"""Times are those of an engine's calls, and the table compares engines on the same image."""

from types import SimpleNamespace

import numpy as np

from napari_centermask.deploy.benchmark import Row, TimedEngine, fill, format_rows, timed
from napari_centermask.engines.several import Several, workers_of


def test_images_grow_by_mirrored_copies_and_shrink_by_their_corner():
    image = np.arange(6).reshape(1, 2, 3)
    assert fill(image, 4)[0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [0, 1, 2, 2]]
    assert fill(image, 2)[0].tolist() == [[0, 1], [3, 4]]


def test_the_seconds_of_masks_are_counted_apart_from_all_others(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 10.5, 20.0, 21.0])
    monkeypatch.setattr("napari_centermask.deploy.benchmark.time.perf_counter", lambda: next(clock))
    calls = {name: lambda *values, name=name: (name, *values) for name in ("features", "masks", "maps")}
    engine = TimedEngine(SimpleNamespace(name="fake", device="cpu", card=None, precision="float32", batch=1, **calls))
    assert [engine.features(1), engine.masks(2, 3), engine.maps(4)] == [("features", 1), ("masks", 2, 3), ("maps", 4)]
    assert engine.seconds == {"features": 3.0, "masks": 0.5}


def test_several_devices_share_the_tiles_while_they_are_timed(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 14.0])
    monkeypatch.setattr("napari_centermask.deploy.benchmark.time.perf_counter", lambda: next(clock))
    one = SimpleNamespace(
        name="fake", device="cpu", card=None, precision="float32", batch=1, features=lambda tiles: ("seen", tiles)
    )
    both = timed(Several((one, one)))
    first, second = workers_of(both)
    assert (both.device, first.features(1), second.features(2)) == ("cpu,cpu", ("seen", 1), ("seen", 2))
    assert both.seconds == {"features": 3.0, "masks": 0.0}
    both.reset()
    assert both.seconds == {"features": 0.0, "masks": 0.0}
    assert workers_of(timed(one))[0].device == "cpu"


def test_ratios_are_to_the_first_engine_on_the_same_image():
    def row(engine, side, latency):
        return Row(engine, "cpu", side, side, 7, 5, latency, 0.1, 0.05, 0.05, 1 / latency, 1.0, None)

    lines = format_rows([row("onnx", 64, 0.2), row("openvino", 64, 0.1), row("openvino", 128, 0.4)]).splitlines()
    assert [line.split()[4] for line in lines[1:]] == ["1.00", "2.00", "1.00"]
    assert [line.split()[3] for line in lines[1:]] == ["200", "100", "400"]
