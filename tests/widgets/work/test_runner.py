"""One run at a time in a worker thread; what it sends arrives in the GUI thread."""

import threading

import pytest
from superqt.utils import create_worker

from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.runner import Runner, _closing_worker


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


def test_a_thread_that_outlives_qt_ends_without_an_error(qtbot):
    closed = []

    def work():
        try:
            yield 1
        finally:
            closed.append(True)

    worker = create_worker(work, _start_thread=False, _worker_class=_closing_worker())

    class Deleted(type(worker.signals)):
        def __getattribute__(self, name):
            if name.startswith("__"):
                return super().__getattribute__(name)
            raise RuntimeError("wrapped C/C++ object of type GeneratorWorkerSignals has been deleted")

    alive, deleted = worker.signals, Deleted()
    alive.started.connect(lambda: setattr(worker, "signals", deleted))
    worker.run()
    assert closed == [True]


def test_other_errors_of_a_thread_are_not_hidden(qtbot, monkeypatch):
    kind = _closing_worker()

    def fails(worker):
        raise RuntimeError("other")

    monkeypatch.setattr(kind.__mro__[1], "run", fails)
    worker = kind(lambda: (yield))
    with pytest.raises(RuntimeError, match="other"):
        worker.run()
