"""How long a training has worked, which on a busy machine is less than has passed."""

from __future__ import annotations

import time
from collections import deque

import torch

_BUSY = 0.6
"""Part of its threads' time for which a step on an idle machine keeps them busy, at least (chosen)."""
_RECENT = 40
"""Steps by which the present slowdown is judged: a choice, two reports."""


class WorkClock:
    """Seconds of work since the last look, for limits and schedules in minutes.

    On a CPU that other programs share, a step may take many times as long as alone; a limit by the clock would then end a
    training after a few steps. So no more counts than the time in which an idle machine would have spent the same CPU
    time. On a GPU the time that passes counts.
    """

    def __init__(self, device: torch.device) -> None:
        self._counts_cpu = device.type == "cpu"
        self._laps: deque[tuple[float, float]] = deque(maxlen=_RECENT)
        self.restart()

    @property
    def slowdown(self) -> float:
        """How many times as long as the work the last laps have taken: 1 on an idle machine."""
        passed, worked = sum(lap[0] for lap in self._laps), sum(lap[1] for lap in self._laps)
        return passed / worked if worked else 1.0

    def restart(self) -> None:
        """Leave out what has passed since the last look."""
        self._passed, self._spent = time.monotonic(), time.process_time()

    def lap(self) -> float:
        """Seconds of work since the last look."""
        passed, spent = self._passed, self._spent
        self.restart()
        seconds = worked = self._passed - passed
        if self._counts_cpu:
            worked = min(seconds, (self._spent - spent) / (_BUSY * torch.get_num_threads()))
        self._laps.append((seconds, worked))
        return worked
