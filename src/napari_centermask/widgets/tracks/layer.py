"""The tracks of an image as a napari Tracks layer above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.widgets.parts.colours import GOLDEN_RATIO
from napari_centermask.widgets.viewer.layers import place_of
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari.layers import Tracks

    from napari_centermask.widgets.tracks.overview import Lines
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown

_TAIL = 10  # frames behind the present one in which a track is drawn: a choice
_HUE = "hue"


class TracksLayer:
    """Shows the tracks of one result.

    Attributes
    ----------
    layer
        None until there are tracks, and after it was deleted.
    is_wanted
        Whether tracks are to be seen; not after the layer was deleted.
    """

    def __init__(self, session: Session, shown: Shown) -> None:
        self._session, self._shown = session, shown
        self._lines: Lines | None = None
        self.layer: Tracks | None = None
        self.is_wanted = True
        self._links = Connections()
        self._links.add(session.viewer.layers.events.removed, self._on_removed)

    def end(self) -> None:
        """Remove the layer."""
        self._links.end()
        self._take_out()

    def want(self, is_wanted: bool) -> None:
        """Show the tracks or not."""
        self.is_wanted = is_wanted
        self.draw(self._lines)

    def _on_removed(self, event: Any) -> None:
        if self.layer is not None and event.value is self.layer:
            self.layer = None
            self.is_wanted = False

    def _take_out(self) -> None:
        layer, self.layer = self.layer, None
        if layer is not None and self._session.viewer is not None:
            self._session.canvas.take_out(layer)

    def draw(self, lines: Lines | None) -> None:
        """Show these tracks, or none."""
        self._lines = lines
        if self._shown.source() is None or lines is None or not len(lines.data) or not self.is_wanted:
            self._take_out()
        elif self.layer is None:
            self.layer = self._new(lines)
            self._session.show_above(self._shown, self.layer)
        elif not np.array_equal(self.layer.data, lines.data) or self.layer.graph != lines.graph:
            self.layer.color_by = "track_id"  # new data have no other features at first
            self.layer.graph = {}  # napari checks the old one against the new data
            self.layer.data = lines.data
            self.layer.features = _features(lines.roots)
            self.layer.graph = lines.graph
            self.layer.color_by = _HUE

    def _new(self, lines: Lines) -> Tracks:
        from napari.layers import Tracks

        source = self._shown.source()
        return Tracks(
            lines.data,
            graph=lines.graph,
            features=_features(lines.roots),
            color_by=_HUE,
            colormap="hsv",
            name=f"{source.name} tracks",
            tail_length=_TAIL,
            tail_width=3,
            **_last_axes(place_of(source), lines.data.shape[1] - 1),
        )


def _features(roots: np.ndarray) -> dict[str, np.ndarray]:
    """The lineage of each row, and its hue in [0, 1), which no other track changes."""
    return {"lineage": roots, _HUE: roots * GOLDEN_RATIO % 1}


def _last_axes(place: dict[str, Any], n: int) -> dict[str, Any]:
    """The transform of the last n axes; turned and sheared images have all axes."""
    kept: dict[str, Any] = {
        name: place[name][-n:] for name in ("scale", "translate", "units", "axis_labels") if name in place
    }
    if len(place.get("scale", ())) == n:
        kept |= {name: place[name] for name in ("rotate", "shear", "affine") if name in place}
    return kept
