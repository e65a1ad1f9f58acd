"""Brings layers in line with results when there is time: planes out of view, features and colours after edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_centermask.widgets.viewer.view import current_index

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_centermask.widgets.viewer.shown import Shown

_SETTLE_MS = 400


class Upkeep:
    """Composes stale planes, one between two turns of the event loop, and describes cells shortly after the last edit.

    Parameters
    ----------
    viewer, everything
        Return the viewer, and what it shows now.
    on_settled
        Called with each result whose features and colours have followed its edits.
    """

    def __init__(
        self, viewer: Callable[[], Viewer], everything: Callable[[], list[Shown]], on_settled: Callable[[Shown], None]
    ) -> None:
        self._viewer, self._everything, self._on_settled = viewer, everything, on_settled
        self._unsettled: set[Shown] = set()
        self._composing, self._settling = QTimer(), QTimer()
        self._composing.setInterval(0)
        self._composing.timeout.connect(self._compose_next)
        self._settling.setSingleShot(True)
        self._settling.timeout.connect(self.settle)

    def end(self) -> None:
        """Stop the timers."""
        self._composing.stop()
        self._settling.stop()

    def compose(self, shown: Shown) -> None:
        """Bring all planes in line with the result: the one in view now, the others as time allows."""
        shown.stale = set(shown.result.planes)
        self.compose_current(shown)
        self.compose_rest()

    def compose_rest(self) -> None:
        """Compose stale planes out of view as time allows."""
        if any(shown.stale for shown in self._everything()):
            self._composing.start()

    def compose_current(self, shown: Shown) -> None:
        """Bring the plane in view in line with the result, if it is stale."""
        source = shown.source()
        if source is None or not shown.stale:
            return
        index = current_index(self._viewer(), source, shown.planes)
        if index in shown.stale:
            shown.layers.compose(index)
            shown.layers.refresh()
            shown.stale.discard(index)

    def _compose_next(self) -> None:
        """Compose one stale plane; the timer calls until none is left."""
        shown = next((s for s in self._everything() if s.stale), None)
        if shown is None:
            self._composing.stop()
            return
        shown.layers.compose(shown.stale.pop())

    def compose_all(self) -> None:
        """Compose all stale planes now, for instance before layers are saved."""
        while any(s.stale for s in self._everything()):
            self._compose_next()
        self._composing.stop()

    def settle_soon(self, shown: Shown) -> None:
        """Features and colours follow shortly after the last of a series of edits."""
        self._unsettled.add(shown)
        self._settling.start(_SETTLE_MS)

    def settle(self) -> None:
        """Bring features and colours in line with the edits now."""
        self._settling.stop()
        for shown in list(self._unsettled):
            self.describe(shown, edits_only=True)
            if shown.source() is not None:
                self._on_settled(shown)

    def describe(self, shown: Shown, *, edits_only: bool = False) -> None:
        """Bring features and colours of one result in line with its cells; see `ResultLayers.describe`."""
        shown.layers.describe(edits_only=edits_only)
        self.forget(shown)

    def forget(self, shown: Shown) -> None:
        """This one needs no settling."""
        self._unsettled.discard(shown)
        if not self._unsettled:
            self._settling.stop()
