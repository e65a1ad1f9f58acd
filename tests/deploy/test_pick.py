"""What is measured is compared in cells with float32, remembered, and chosen by speed among those that agree."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest

from napari_centermask.core.errors import UserError
from napari_centermask.core.instances import Instance
from napari_centermask.deploy import candidate as candidate_module
from napari_centermask.deploy import pick as picking
from napari_centermask.deploy.candidate import Candidate, Run
from napari_centermask.deploy.pick import agreement_of, format_picked, pick, runtimes_here
from napari_centermask.engines.runtime import Runtime
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import SegmentSettings

IMAGE = np.zeros((1, 64, 64), np.uint8)
FOUR_TILES = np.zeros((1, 1000, 1000), np.uint8)
"""With cells of 20 pixels, half of what the model was trained on."""


def cell(side, *, at=10):
    return Instance(0, at, at, np.ones((side, side), bool))


CALLS: list[str] = []
SECONDS = {"onnx": 4.0, "openvino": 3.0, "torch": 2.5}


class FakeCandidate:
    """bfloat16 is twice as fast and loses a cell; half the threads are slower; two tiles at once are faster."""

    def __init__(self, model, runtime, images, settings):
        self.runtime, self.why_not = runtime, "no bfloat16 here" if runtime.precision == "float16" else ""

    def load(self):
        CALLS.append("load")

    def run(self):
        CALLS.append("run")
        if self.why_not:
            return None
        fast = self.runtime.precision == "bfloat16"
        seconds = SECONDS[self.runtime.engine] / (2 if fast else 1)
        seconds *= 1.5 if self.runtime.threads else 1.0
        seconds /= 1.25 if self.runtime.batch == 2 else 1.0
        cells = (cell(20), cell(20, at=40)) if not (fast and self.runtime.engine == "torch") else (cell(20),)
        return Run(seconds, (cells,), 300.0, None)

    def close(self):
        pass


@pytest.fixture
def picked(monkeypatch):
    ways = [Runtime("torch"), Runtime("onnx"), Runtime("openvino"), Runtime("openvino", precision="bfloat16")]
    ways += [Runtime("torch", precision="bfloat16"), Runtime("torch", precision="float16")]
    monkeypatch.setattr(picking, "Candidate", FakeCandidate)
    monkeypatch.setattr(picking, "runtimes_here", lambda files, engines: ways)
    monkeypatch.setattr(picking, "n_cores", lambda: 4)
    CALLS.clear()
    return run_through(pick(find_model("nuclei"), [FOUR_TILES], SegmentSettings(diameter=20), runs=1))


def test_the_fastest_that_agrees_is_chosen_with_its_threads_and_batch(picked):
    assert picked.chosen is not None
    assert picked.chosen.runtime == Runtime("openvino", precision="bfloat16", batch=2)
    assert picked.chosen.seconds == pytest.approx(1.2)
    fastest = picked.rows[0]
    assert (fastest.runtime.engine, fastest.agreement) == ("openvino", 1.0)
    lossy = next(r for r in picked.rows if r.runtime == Runtime("torch", precision="bfloat16"))
    assert lossy.agreement == pytest.approx(2 / 3)


def test_what_cannot_run_is_named_and_the_table_marks_the_choice(picked):
    assert picked.left_out == ("torch on cpu, float16: no bfloat16 here",)
    lines = format_picked(picked).splitlines()
    assert lines[1].startswith("* openvino on cpu, bfloat16, 2 tiles at once")
    assert lines[-1].startswith("Left out: torch on cpu, float16")


def test_on_images_of_one_tile_neither_workers_nor_tiles_at_once_are_tried(monkeypatch):
    monkeypatch.setattr(picking, "Candidate", FakeCandidate)
    monkeypatch.setattr(picking, "runtimes_here", lambda files, engines: [Runtime("openvino")])
    monkeypatch.setattr(picking, "n_cores", lambda: 4)
    rows = run_through(pick(find_model("nuclei"), [IMAGE], SegmentSettings(diameter=20), runs=1)).rows
    assert {row.runtime for row in rows} == {Runtime("openvino"), Runtime("openvino", threads=2)}


@pytest.mark.parametrize(
    ("runtime", "n_tiles", "batches"),
    [
        (Runtime("openvino"), 4, [1, 2, 4]),
        (Runtime("openvino"), 3, [1, 2, 4]),
        (Runtime("openvino", device="cpu,cpu", threads=1), 4, [1, 2]),
        (Runtime("torch", device="cuda", batch=4), 1, [4]),
        (Runtime("torch", device="cuda", batch=4), 40, [4, 1, 2, 8, 16]),
        (Runtime("tensorrt", device="cuda", batch=4), 40, [4, 1, 2, 8]),
        (Runtime("onnx", device="tensorrt", batch=4), 40, [4, 1, 2, 8]),
    ],
)
def test_only_numbers_of_tiles_that_differ_are_tried(runtime, n_tiles, batches):
    assert [variant.batch for variant in picking._with_batches(runtime, n_tiles)] == batches


def test_two_workers_share_the_cores(picked):
    assert Runtime("openvino", device="cpu,cpu", precision="bfloat16", threads=2) in [r.runtime for r in picked.rows]


def test_all_are_loaded_before_the_first_is_measured(picked):
    assert CALLS[:12] == ["load"] * 6 + ["run"] * 6


def test_agreement_is_f1_over_all_images():
    truth = [[cell(20), cell(20, at=40)], [cell(10)]]
    assert agreement_of(truth, truth) == 1
    assert agreement_of(truth, [[cell(20)], [cell(7)]]) == pytest.approx(2 * 1 / 5)
    assert agreement_of([[]], [[]]) == 1


def test_images_without_cells_are_refused(monkeypatch):
    class Blind(FakeCandidate):
        def run(self):
            return Run(1.0, ((),), None, None)

    monkeypatch.setattr(picking, "Candidate", Blind)
    monkeypatch.setattr(picking, "runtimes_here", lambda files, engines: [Runtime("onnx")])
    with pytest.raises(UserError, match="finds no cell"):
        run_through(pick(find_model("nuclei"), [IMAGE], SegmentSettings(diameter=20)))


def test_the_runtimes_here_begin_with_float32_of_torch():
    found = runtimes_here(find_model("nuclei"), ["torch", "openvino"])
    assert found[0] == Runtime("torch")
    assert Runtime("openvino") in found
    assert {r.engine for r in found} == {"torch", "openvino"}


def test_a_runtime_in_a_process_of_its_own_segments_and_a_crash_is_a_result():
    settings = SegmentSettings(diameter=40.0)
    candidate = Candidate("nuclei", Runtime("openvino", threads=1), [IMAGE], [settings])
    run = candidate.run()
    assert run is not None
    assert (run.cells, run.gpu_mb) == (((),), None)
    assert run.seconds > 0
    candidate._process.kill()
    assert candidate.run() is None
    assert candidate.why_not == "it crashed (signal 9)"
    candidate.close()


def test_what_cannot_be_loaded_says_why():
    candidate = Candidate("nuclei", Runtime("onnx", device="directml"), [IMAGE], [SegmentSettings()])
    assert candidate.run() is None
    assert "no DmlExecutionProvider" in candidate.why_not
    candidate.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_candidate_that_is_at_work_ends_at_once_and_says_nothing_on_ctrl_c(capfd, monkeypatch):
    monkeypatch.setattr(candidate_module, "_PATIENCE_S", 60.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        both = [
            Candidate("nuclei", Runtime("openvino", threads=1), [IMAGE], [SegmentSettings(diameter=40.0)])
            for _ in range(2)
        ]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    loaded, loading = both
    os.kill(loaded._process.pid, signal.SIGINT)
    loading.close()
    assert loading._process.exitcode == -signal.SIGKILL
    loaded.load()
    assert loaded.why_not == ""
    loaded.close()
    assert loaded._process.exitcode == 0
    assert capfd.readouterr().err == ""
