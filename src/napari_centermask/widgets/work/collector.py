"""Keeps full garbage collections short, and out of other work, while many layers and cells come and go.

napari 0.9.2 collects all garbage whenever a layer is removed, and Python now and then in the middle of anything. Each time it
visits every object, 300,000 in napari with our docks: 0.1-0.2 s in which nothing moves, and several times for one image.
"""

from __future__ import annotations

import gc
import time

from qtpy.QtCore import QTimer

from napari_centermask.widgets.work.connections import stop_timer

_EVERY_MS = 30_000
_NEVER = 1_000_000
_LONG_S = 0.03  # of a full collection: a third of what a turn of the event loop may take
_MOST_BYTES = 1 << 28  # of layers that wait until `take_back`: a choice
_THRESHOLDS = gc.get_threshold()
_USERS: set[int] = set()
"""Collectors of viewers that have set something aside; Python has one garbage collector for all."""


class Collector:
    """Sets aside what is there, so that a full collection only visits what was made since; a timer starts it.

    What is set aside is not collected, even if nobody uses it any more, until `take_back`. So set aside before the layers are
    made that will be removed, and take back when others are removed. Cells that are made since lengthen collections, by 15 ms for
    5,000 cells and an edit of all: then all is set aside again.
    """

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(gc.collect)
        self._began = self._last_s = 0.0
        self._bytes = 0

    @property
    def is_set_aside(self) -> bool:
        """Whether something is set aside."""
        return id(self) in _USERS

    def set_aside(self, *, n_bytes: int = 0) -> None:
        """Set aside what is there now, if nothing is, or if full collections have become long; takes some microseconds.

        Parameters
        ----------
        n_bytes
            Of layers that are there now and will be removed. They are only freed by `take_back`, so with too many of them nothing
            is set aside a second time.
        """
        if not self.is_set_aside:
            _USERS.add(id(self))
            self._bytes, self._last_s = 0, 0.0
            gc.set_threshold(*_THRESHOLDS[:2], _NEVER)
            gc.callbacks.append(self._on_collection)
            self._timer.start()
        elif self._last_s < _LONG_S or self._bytes + n_bytes > _MOST_BYTES:
            return
        else:
            self._bytes, self._last_s = self._bytes + n_bytes, 0.0
        gc.freeze()

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        """Note how long full collections take."""
        if info["generation"] == 2 and phase == "start":
            self._began = time.thread_time()
        elif info["generation"] == 2:
            self._last_s = time.thread_time() - self._began

    def take_back(self) -> None:
        """Let full collections visit everything, whenever Python likes."""
        if self.is_set_aside:
            _USERS.discard(id(self))
            stop_timer(self._timer)
            gc.callbacks.remove(self._on_collection)
            gc.unfreeze()
            if not _USERS:
                gc.set_threshold(*_THRESHOLDS)
