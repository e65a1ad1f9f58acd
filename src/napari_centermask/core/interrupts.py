"""Ctrl-C and SIGTERM that wait until what goes on is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class HeldInterrupts:
    """Puts off a first SIGINT or SIGTERM while something is `held`; a second one comes at once.

    Elsewhere within the context, both raise `KeyboardInterrupt` at once. Only the main thread gets signals.
    """

    def __init__(self) -> None:
        self._former: dict[signal.Signals, Any] = {}
        self._is_held = self._came = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {n: signal.signal(n, self._on_signal) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            signal.signal(number, former or signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_held or self._came:
            raise KeyboardInterrupt
        self._came = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put interrupts off until the end of the block, which then raises `KeyboardInterrupt`."""
        self._is_held = True
        try:
            yield
        except Exception as error:
            if self._came:  # what fails then may do so because other processes of the run were stopped too
                raise KeyboardInterrupt from error
            raise
        finally:
            self._is_held = False
        if self._came:
            raise KeyboardInterrupt
