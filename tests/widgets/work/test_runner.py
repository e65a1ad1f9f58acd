"""One run at a time in a worker thread; what it sends arrives in the GUI thread."""

import threading

import pytest

from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.runner import Runner


@pytest.fixture
def runner(qtbot):
    runner = Runner()
    yield runner
    runner.cancel()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=10_000)


def test_what_a_run_sends_arrives_in_its_order_and_in_the_gui_thread(runner, qtbot):
    heard, threads = [], set()

    def hear(item):
        heard.append(item)
        threads.add(threading.current_thread())

    def work(n):
        assert threading.current_thread() is not threading.main_thread()
        yield Progress(1, 2, "half")
        yield n
        return n + 1

    runner.started.connect(hear)
    runner.advanced.connect(lambda progress: hear(progress.part))
    runner.ended.connect(hear)
    runner.start("counting", work, 7, on_yield=hear)
    qtbot.waitUntil(lambda: not runner.is_running, timeout=10_000)
    assert heard == ["counting", 0.5, 7, 8]
    assert threads == {threading.main_thread()}


def test_a_run_that_is_cancelled_ends_without_a_value_and_no_second_one_starts_beside_it(runner, qtbot):
    ended, gate, entered = [], threading.Event(), threading.Event()

    def work():
        entered.set()
        gate.wait(10)
        yield
        return "never"

    runner.ended.connect(ended.append)
    runner.start("", work)
    qtbot.waitUntil(entered.is_set, timeout=10_000)
    with pytest.raises(RuntimeError, match="in progress"):
        runner.start("", work)
    runner.cancel()
    gate.set()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=10_000)
    assert ended == [None]
