"""A worker with several threads, as `dask worker` starts it, loads a model once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from napari_centermask.cli import worker
from napari_centermask.cli.plan import ImageFiles
from napari_centermask.core.errors import BadImage
from napari_centermask.settings import SegmentSettings


def test_threads_of_a_worker_load_a_model_once_and_take_turns(tmp_path, monkeypatch):
    loads, running, most = [], [], []
    start = threading.Barrier(4)

    def load(settings, **options):
        loads.append(settings)
        time.sleep(0.05)  # so that the others come meanwhile
        return object()

    def steps(*args, **options):
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()
        raise BadImage("It is no image.")
        yield

    monkeypatch.setattr("napari_centermask.engines.load.load_engines", load)
    monkeypatch.setattr(worker, "steps_of", steps)
    monkeypatch.setattr(worker, "_KEPT", {})
    monkeypatch.setattr(worker, "_LOADS", [])
    files = ImageFiles(tmp_path / "a.tif", "a.tif", "a", None, None)
    task = worker.Task(files, SegmentSettings(), None, None, {"models": []}, None)

    def one(_):
        start.wait()
        return worker.work(task)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(one, range(4)))
    assert len(loads) == 1
    assert max(most) == 1
    assert [outcome.loads for outcome in done] == [1] * 4
