"""One run at a time off the GUI thread: napari's worker, its progress in the activity dock and the list of tasks, and Cancel."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from functools import cache
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.gate import attempt
from napari_centermask.widgets.work.task_status import TaskStatus

if TYPE_CHECKING:
    from superqt.utils import GeneratorWorker


@cache
def _closing_worker() -> Any:
    """A worker that closes its generator when it was cancelled, so that a process which that runs ends at once.

    If napari ends meanwhile, Qt has deleted what it reports with. An error that leaves a thread of Qt aborts the whole process.
    """
    from napari.qt.threading import GeneratorWorker

    class ClosingWorker(GeneratorWorker):
        def work(self) -> Any:
            try:
                return super().work()
            finally:
                self._gen.close()

        def run(self) -> None:
            try:
                super().run()
            except RuntimeError as error:
                if "deleted" not in str(error):
                    raise

    return ClosingWorker


_STEPS = 1000  # of napari's progress bar: a choice, finer than it is wide


class Runner:
    """Drives a generator in a worker thread; all signals arrive in the GUI thread.

    Attributes
    ----------
    started
        Emitted with the title of the run.
    advanced
        Emitted with a `Progress`.
    ended
        Emitted with the generator's return value; None after Cancel or an unexpected error.
    """

    started = Signal(str)
    advanced = Signal(object)
    ended = Signal(object)

    def __init__(self) -> None:
        self._worker: GeneratorWorker[object, object, object] | None = None
        self._bar: Any = None
        self._task: TaskStatus | None = None
        self._value: Any = None
        self._turn = 0  # counts the runs
        self._inbox: deque[tuple[int, Callable[..., None], tuple[Any, ...]]] = deque()
        self._delivering = False
        self._signals: list[object] = []  # of workers whose messages may be in delivery
        self.cancelled = False

    @property
    def is_running(self) -> bool:
        """Whether a run is in progress."""
        return self._worker is not None

    def start(
        self,
        title: str,
        work: Callable[..., Generator[Any, None, Any]],
        *args: Any,
        on_yield: Callable[[Any], None] | None = None,
    ) -> None:
        """Run `work(*args)`; what it yields apart from `Progress` goes to `on_yield`. Without a title, no bar and no task
        are shown.

        Raises
        ------
        RuntimeError
            If a run is in progress.
        """
        from superqt.utils import create_worker  # napari's would list each worker by the name of its function

        if self.is_running:
            raise RuntimeError("A run is in progress; cancel it or wait.")
        self.cancelled, self._value = False, None
        self._turn += 1
        turn = self._turn
        worker: Any = create_worker(work, *args, _start_thread=False, _worker_class=_closing_worker())
        worker.yielded.connect(lambda item: self._deliver(turn, self._on_yielded, item, on_yield))
        worker.returned.connect(lambda value: self._deliver(turn, self._on_returned, value))
        worker.finished.connect(lambda: self._deliver(turn, self._on_finished))
        self._worker = worker
        self._signals.append(worker.signals)
        if title:
            self._open_bar(title)
            self._task = TaskStatus(title.removeprefix("CenterMask: "), self.cancel)
        self.started.emit(title)
        worker.start()

    def cancel(self) -> None:
        """End the run at once. Its thread stops at its next yield, within one tile, and whatever it still sends is ignored."""
        if self._worker is not None:
            self.cancelled = True
            self._worker.quit()
            self._deliver(self._turn, self._on_finished)

    def _open_bar(self, title: str) -> None:
        from napari.utils import progress

        self._bar = progress(total=_STEPS, desc=title)

    def _deliver(self, turn: int, kind: Callable[..., None], *args: Any) -> None:
        """Handle messages from the worker, one after another; those of a cancelled one are ignored.

        Adding a layer to a visible viewer runs the event loop, which would handle the next message within this one. If the last
        message came there, Qt would free the signals, and crash on the way back into the slot that they are still in: so they are
        kept until then.
        """
        self._inbox.append((turn, kind, args))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._inbox:
                turn, kind, args = self._inbox.popleft()
                if turn == self._turn and self.is_running:
                    attempt(kind, *args)
        finally:
            self._delivering = False
            self._signals = [] if self._worker is None else [self._worker.signals]

    def _on_yielded(self, item: object, on_yield: Callable[[Any], None] | None) -> None:
        if self.cancelled:
            return
        if isinstance(item, Progress):
            if self._bar is not None:
                self._bar.update(max(0, round(item.part * _STEPS) - self._bar.n))
            self.advanced.emit(item)
        elif on_yield is not None:
            on_yield(item)

    def _on_returned(self, value: object) -> None:
        self._value = value

    def _on_finished(self) -> None:
        self._worker = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        value, self._value = self._value, None
        if self._task is not None:
            self._task.end("CANCELLED" if self.cancelled else "FAILED" if value is None else "COMPLETED")
            self._task = None
        self.ended.emit(None if self.cancelled else value)
