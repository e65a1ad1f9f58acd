"""A runtime in a process of its own: a crash there is a result, and memory is only its own."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.deploy.memory import peak_mb, reset_peak
from napari_centermask.engines.gpu_memory import GpuPeak, used_mb
from napari_centermask.engines.runtime import Runtime
from napari_centermask.settings import SegmentSettings

_PATIENCE_S = 5.0  # for a process to end that was asked to; a choice


@dataclass(frozen=True)
class Run:
    """One run over all images.

    Attributes
    ----------
    cells
        Of each image.
    memory_mb, gpu_mb
        See `engines.fastest.Measured`.
    """

    seconds: float
    cells: tuple[tuple[Instance, ...], ...]
    memory_mb: float | None
    gpu_mb: float | None


class Candidate:
    """A runtime that segments images again and again, each time when asked to.

    Parameters
    ----------
    model
        Name or file of the model.
    images
        (C, H, W) arrays.
    settings
        For each of them.

    Attributes
    ----------
    why_not
        Why it cannot run here; empty while it does.
    """

    def __init__(
        self, model: str, runtime: Runtime, images: Sequence[np.ndarray], settings: Sequence[SegmentSettings]
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.runtime, self.why_not = runtime, ""
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, model, runtime, list(zip(images, settings, strict=True))), daemon=True
        )
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()
        self._is_loaded, self._is_working = False, True

    def load(self, *, limit_s: float | None = None) -> None:
        """Wait until the model is loaded and warm, so that nothing else goes on while another candidate is measured."""
        if not self._is_loaded and not self.why_not:
            self._is_loaded = self._answer(limit_s) is not None

    def run(self, *, limit_s: float | None = None) -> Run | None:
        """One run, the first after `load`; None if it cannot within a limit in seconds, see `why_not`."""
        start = time.monotonic()
        self.load(limit_s=limit_s)
        left = None if limit_s is None else max(0.0, limit_s - (time.monotonic() - start))
        if self.why_not:
            return None
        self._is_working = True
        with suppress(OSError):  # of a process that has ended, as the answer shows
            self._pipe.send(None)
        answer = self._answer(left)
        return answer if isinstance(answer, Run) else None

    def _answer(self, limit_s: float | None) -> Run | bool | None:
        """What the process says next; None if it failed, see `why_not`."""
        try:
            if limit_s is not None and not self._pipe.poll(limit_s):
                self.why_not = f"it took longer than {limit_s:.0f} s"
                self._process.kill()
                return None
            answer: Run | str | bool = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(_PATIENCE_S)
            code = self._process.exitcode
            self.why_not = f"it crashed (signal {-code})" if code and code < 0 else f"it ended with code {code}"
            return None
        self._is_working = False
        if isinstance(answer, str):
            self.why_not = answer
            return None
        return answer

    def close(self) -> None:
        """End the process, at once if it is at work: nobody waits for its answer."""
        self._pipe.close()
        if self._is_working:
            self._process.kill()
        self._process.join(_PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C in a terminal does not reach: their parent ends them, and they print no traceback."""
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread change signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


Pairs = list[tuple[np.ndarray, SegmentSettings]]


def _serve(pipe: Connection, model: str, runtime: Runtime, images: Pairs) -> None:
    """Load the model, run it once to warm it up and say so, then once for each message; ends when the pipe is closed."""
    try:
        before = used_mb()
        once = _segmenting(model, runtime, images)
        once()
        pipe.send(True)
        while True:
            pipe.recv()
            reset_peak()
            with GpuPeak() as gpu:
                start = time.perf_counter()
                cells = once()
                seconds = time.perf_counter() - start
            of_gpu = None if before is None or gpu.most_mb is None else max(0.0, gpu.most_mb - before)
            pipe.send(Run(seconds, cells, peak_mb(), of_gpu))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:  # runtimes, drivers and their libraries raise errors of any class
        lines = str(error).strip().splitlines() or [type(error).__name__]
        with suppress(OSError):
            pipe.send(lines[0])


def _segmenting(model: str, runtime: Runtime, images: Pairs) -> Callable[[], tuple[tuple[Instance, ...], ...]]:
    from napari_centermask.engines.load import load_engine
    from napari_centermask.pipeline import segment

    said: list[str] = []
    engine = load_engine(
        model,
        engine=runtime.engine,
        device=runtime.device,
        precision=runtime.precision,
        threads=runtime.threads,
        batch=runtime.batch,
        say=said.append,
    )
    if said:
        raise RuntimeError(said[0])
    return lambda: tuple(tuple(segment(image, engine, settings)) for image, settings in images)
