"""Update layers when there is time: planes that are not shown, and features and colours after edits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_centermask.widgets.viewer.view import current_index
from napari_centermask.widgets.work.connections import stop_timer

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_centermask.core.result import Index
    from napari_centermask.widgets.viewer.shown import Shown

_SETTLE_MS = 400  # after the last move of the threshold: a choice
_AT_ONCE = 200  # cells that are composed in less than a tenth of a second
_TURN_S = 0.02  # composing between two turns of the event loop


class Upkeep:
    """Composes outdated planes between turns of the event loop, and updates features shortly after the last edit.

    Parameters
    ----------
    viewer, everything
        Return the viewer, and the results that it shows.
    on_settled
        Called with each result whose features and colours were updated.
    must_wait
        Whether something else takes the next turns of the event loop.
    """

    def __init__(
        self,
        viewer: Callable[[], Viewer],
        everything: Callable[[], list[Shown]],
        on_settled: Callable[[Shown], None],
        must_wait: Callable[[], bool],
    ) -> None:
        self._viewer, self._everything, self._on_settled, self._must_wait = viewer, everything, on_settled, must_wait
        self._unsettled: set[Shown] = set()
        self._composed: tuple[Shown, Index, Iterator[None]] | None = None  # what is being composed
        self._described: dict[Shown, Iterator[None]] = {}  # what is being described
        self._composing, self._settling = QTimer(), QTimer()
        self._composing.setInterval(0)
        self._composing.timeout.connect(self._on_turn)
        self._settling.setSingleShot(True)
        self._settling.timeout.connect(self.settle)

    def end(self) -> None:
        """Stop the timers."""
        stop_timer(self._composing)
        stop_timer(self._settling)

    def compose(self, shown: Shown) -> None:
        """Update all planes: the current one first, the others as time allows."""
        shown.layers.behind.update(shown.result.planes)
        self.compose_current(shown)
        self.compose_rest()

    def compose_rest(self) -> None:
        """Compose outdated planes as time allows."""
        if self._next() is not None:
            self._composing.start()

    def compose_current(self, shown: Shown) -> None:
        """Update the current plane if it is outdated: at once, unless it has many cells."""
        index = self._in_view(shown)
        if index is not None and len(shown.result.plane(index)) <= _AT_ONCE:
            shown.layers.compose(index)
            self._on_composed(shown, index)

    def _in_view(self, shown: Shown) -> Index | None:
        """The current plane if it is outdated."""
        source = shown.source()
        if source is None or not shown.layers.behind:
            return None
        index = current_index(self._viewer(), source, shown.planes)
        return index if index in shown.layers.behind else None

    def _next(self) -> tuple[Shown, Index] | None:
        """An outdated plane, preferably a current one."""
        behind = [s for s in self._everything() if s.has_layers and s.layers.behind]
        seen = ((s, self._in_view(s)) for s in behind)
        first = next(((s, index) for s, index in seen if index is not None), None)
        return first or next(((s, next(iter(s.layers.behind))) for s in behind), None)

    def _on_turn(self) -> None:
        if not self._must_wait():
            self._compose_next()

    def _compose_next(self) -> None:
        """Compose the next part; a timer calls this until no plane is outdated."""
        if self._composed is None:
            following = self._next()
            if following is None:
                self._describe_next()
                return
            self._composed = (*following, following[0].layers.steps(following[1]))
        (shown, index, steps), self._composed = self._composed, None
        if shown not in self._everything():
            return
        end = time.perf_counter() + _TURN_S
        for _ in steps:
            if time.perf_counter() > end:
                self._composed = shown, index, steps
                return
        self._on_composed(shown, index)

    def _describe_next(self) -> None:
        """Describe some more cells, once all is composed."""
        shown = next(iter(self._described), None)
        if shown is None:
            self._composing.stop()
            return
        end = time.perf_counter() + _TURN_S
        for _ in self._described[shown]:
            if time.perf_counter() > end:
                return
        del self._described[shown]
        if shown.source() is not None:
            self._on_settled(shown)

    def _on_composed(self, shown: Shown, index: Index) -> None:
        source = shown.source()
        if source is not None and current_index(self._viewer(), source, shown.planes) == index:
            shown.layers.refresh()
        shown.composed.emit(index)

    def compose_all(self) -> None:
        """Compose and describe all that is outdated now, for instance before layers are saved."""
        while self._composed is not None or self._next() is not None or self._described:
            self._compose_next()
        self._composing.stop()

    def settle_soon(self, shown: Shown) -> None:
        """Update features and colours shortly after the last of a series of edits."""
        self._unsettled.add(shown)
        self._settling.start(_SETTLE_MS)

    def settle(self) -> None:
        """Update features and colours now."""
        self._settling.stop()
        for shown in list(self._unsettled):
            self.describe(shown, edits_only=True)
            if shown not in self._described and shown.source() is not None:
                self._on_settled(shown)

    def describe(self, shown: Shown, *, edits_only: bool = False) -> None:
        """Update features and colours of a result: at once, or in steps if it has many cells; see `ResultLayers.describe`."""
        edits_only = edits_only and shown not in self._described
        self.forget(shown)
        if shown.layers.is_long(edits_only=edits_only):
            self._described[shown] = shown.layers.description()
            self._composing.start()
        else:
            shown.layers.describe(edits_only=edits_only)

    def forget(self, shown: Shown) -> None:
        """Cancel the update of a result."""
        self._unsettled.discard(shown)
        self._described.pop(shown, None)
        if not self._unsettled:
            self._settling.stop()
