"""Keeps full garbage collections short, and out of other work, while many layers and cells come and go.

napari 0.9.2 collects all garbage whenever a layer is removed, and Python now and then in the middle of anything. Each time it
visits every object, 300,000 in napari with our docks: 0.1-0.2 s in which nothing moves, and several times for one image.
"""

from __future__ import annotations

import gc

from qtpy.QtCore import QTimer

from napari_centermask.widgets.work.connections import stop_timer

_EVERY_MS = 30_000
_NEVER = 1_000_000
_THRESHOLDS = gc.get_threshold()
_USERS: set[int] = set()
"""Collectors of viewers that have set something aside; Python has one garbage collector for all."""


class Collector:
    """Sets aside what is there, so that a full collection only visits what was made since; a timer starts it.

    What is set aside is not collected, even if nobody uses it any more, until `take_back`. So set aside before the layers are
    made that will be removed, and take back when others are removed.
    """

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(gc.collect)

    @property
    def is_set_aside(self) -> bool:
        """Whether something is set aside."""
        return id(self) in _USERS

    def set_aside(self) -> None:
        """Set aside what is there now, if nothing is; takes some microseconds."""
        if not self.is_set_aside:
            _USERS.add(id(self))
            gc.freeze()
            gc.set_threshold(*_THRESHOLDS[:2], _NEVER)
            self._timer.start()

    def take_back(self) -> None:
        """Let full collections visit everything, whenever Python likes."""
        if self.is_set_aside:
            _USERS.discard(id(self))
            stop_timer(self._timer)
            gc.unfreeze()
            if not _USERS:
                gc.set_threshold(*_THRESHOLDS)
