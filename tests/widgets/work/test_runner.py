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


def test_cancel_answers_at_once_while_its_thread_is_still_busy_and_ignores_what_that_sends(runner, qtbot):
    ended, taken, gate, entered, left = [], [], threading.Event(), threading.Event(), threading.Event()

    def work():
        entered.set()
        gate.wait(30)
        left.set()
        yield "late"

    def quick():
        yield "new"
        return "done"

    runner.ended.connect(ended.append)
    runner.start("", work, on_yield=taken.append)
    qtbot.waitUntil(entered.is_set, timeout=30_000)
    with pytest.raises(RuntimeError, match="in progress"):
        runner.start("", work)
    runner.cancel()
    assert (ended, runner.is_running, runner.cancelled) == ([None], False, True)
    runner.cancel()
    runner.start("", quick, on_yield=taken.append)
    qtbot.waitUntil(lambda: not runner.is_running, timeout=30_000)
    gate.set()
    qtbot.waitUntil(left.is_set, timeout=30_000)
    qtbot.wait(1)
    assert (ended, taken) == ([None, "done"], ["new"])


def test_a_cancelled_run_is_closed_at_its_next_step_though_the_worker_is_still_known(runner, qtbot):
    entered, closed = threading.Event(), threading.Event()

    def work():
        try:
            while True:
                entered.set()
                yield None
        finally:
            closed.set()

    runner.start("", work)
    worker = runner._worker  # or the collector may close it
    assert entered.wait(30)
    runner.cancel()
    assert closed.wait(30)
    assert worker is not None
