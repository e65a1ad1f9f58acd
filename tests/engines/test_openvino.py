import os
import subprocess
import sys

import numpy as np
import pytest

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines.decode import detect
from napari_centermask.engines.openvino import OpenVinoEngine, compile_graph


@pytest.fixture(scope="module")
def engine(nuclei):
    return OpenVinoEngine(*nuclei.graphs, nuclei.card, threads=1)


def test_the_shipped_model_finds_two_discs_where_they_are(engine, tiles):
    features = engine.features(tiles)
    detections = detect(features, engine.card, score=0.5, nms=0.5)
    detections = detections[np.argsort(detections.boxes[:, 0])]
    np.testing.assert_allclose((detections.boxes[:, :2] + detections.boxes[:, 2:]) / 2, [(45, 50), (110, 75)], atol=2)
    masks, quality = engine.masks(features, detections.boxes, detections.classes)
    sides = detections.boxes[:, 2:] - detections.boxes[:, :2]
    areas = (masks > 0.5).mean(axis=(1, 2)) * sides.prod(axis=1)
    np.testing.assert_allclose(areas, np.pi * 20**2, rtol=0.15)
    assert ((quality >= 0) & (quality <= 1)).all()


def test_no_boxes_give_no_masks(engine, tiles):
    masks, quality = engine.masks(engine.features(tiles), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    assert masks.shape == (0, 24, 24)  # twice the card's roi_size
    assert quality.shape == (0,)


def test_processes_that_share_the_cores_do_not_take_the_same_ones(nuclei):
    assert compile_graph(nuclei.graphs[0], "cpu", 1).get_property("ENABLE_CPU_PINNING") is False


def test_a_device_that_it_does_not_have_is_refused(nuclei):
    with pytest.raises(BadSettings, match="onnx or torch"):
        compile_graph(nuclei.graphs[0], "cuda", None)


def test_a_signal_after_an_engine_is_freed_reaches_python(nuclei):
    code = f"""
import signal
from napari_centermask.engines.openvino import compile_graph
graphs = [compile_graph({str(nuclei.graphs[0])!r}, "cpu", 1) for _ in range(2)]
while graphs:
    del graphs[0]
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr


def test_openvino_is_imported_without_its_telemetry(nuclei, tmp_path):
    code = f"""
import socket, sys, time
asked = []
socket.getaddrinfo = lambda *args, **kwargs: asked.append(args) or []
from napari_centermask.engines.openvino import compile_graph
compile_graph({str(nuclei.graphs[0])!r}, "cpu", 1)
time.sleep(0.5)
print(asked, "openvino_telemetry" in sys.modules)
"""
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **home}
    )
    assert done.stdout == "[] False\n", done.stderr
    assert list(tmp_path.iterdir()) == []
