"""The tracks of an image as a napari Tracks layer above it, which follows every edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_centermask.core.result import centre
from napari_centermask.core.tracks import Lineage, Way
from napari_centermask.widgets.parts.colours import GOLDEN_RATIO
from napari_centermask.widgets.viewer.layers import place_of
from napari_centermask.widgets.work.connections import Connections, stop_timer

if TYPE_CHECKING:
    from napari.layers import Tracks

    from napari_centermask.core.history import Edit
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown

_TAIL = 10  # frames behind the present one in which a track is drawn: a choice
_HUE = "hue"
_WAIT_MS = 60  # edits in quick succession draw the layer once


def tracks_data(
    lineage: Lineage, planes: ImagePlanes, n_axes: int
) -> tuple[np.ndarray, dict[int, list[int]], np.ndarray]:
    """What napari needs.

    Parameters
    ----------
    n_axes
        Of the image layer, without colours.

    Returns
    -------
    data
        (n, 1 + D) float: track, then the place on the axes from time on; sorted by track and time.
    graph
        The parent of each track that has one.
    lineages
        (n,) the track at the beginning of each row's lineage.
    """
    first = planes.axes[lineage.way.axis]
    rows: list[list[float]] = []
    roots: list[int] = []
    for track in lineage:
        frames: dict[int, list[int]] = {}
        for n, spot in enumerate(track.spots):
            frames.setdefault(lineage.way.at(spot.index), []).append(n)
        for numbers in frames.values():
            rows.append([track.id, *_mean_place(track.spots, numbers, planes, n_axes)[first:]])
            roots.append(lineage.root(track))
    data = np.array(rows, float).reshape(-1, 1 + n_axes - first)
    graph = {track.id: [track.parent] for track in lineage if track.parent}
    return data, graph, np.array(roots)


def _mean_place(spots: Any, numbers: list[int], planes: ImagePlanes, n_axes: int) -> np.ndarray:
    """The place of the cells of one frame, in the axes of the image layer."""
    places = np.zeros((len(numbers), n_axes))
    for row, n in enumerate(numbers):
        places[row, list(planes.axes)] = spots[n].index
        places[row, -2:] = centre(spots[n].cell)
    areas = [spots[n].cell.area for n in numbers]
    mean: np.ndarray = np.average(places, axis=0, weights=areas)
    return mean


class TracksLayer:
    """Shows the tracks of one result.

    Attributes
    ----------
    layer
        None until there are tracks, and after it was deleted.
    """

    def __init__(self, session: Session, shown: Shown, way: Way) -> None:
        self._session, self._shown, self._way = session, shown, way
        self.layer: Tracks | None = None
        self.is_wanted = True
        self._links = Connections()
        self._later = QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(_WAIT_MS)
        self._later.timeout.connect(self.draw)
        self._links.add(shown.edited, self._on_edited)
        self._links.add(session.viewer.layers.events.removed, self._on_removed)

    def end(self) -> None:
        """Remove the layer."""
        stop_timer(self._later)
        self._links.end()
        self._take_out()

    def want(self, is_wanted: bool) -> None:
        """Show the tracks or not."""
        self.is_wanted = is_wanted
        self.draw()

    def _on_edited(self, edit: Edit) -> None:
        self._later.start()

    def _on_removed(self, event: Any) -> None:
        if self.layer is not None and event.value is self.layer:
            self.layer = None
            self.is_wanted = False

    def _take_out(self) -> None:
        layer, self.layer = self.layer, None
        if layer is not None and self._session.viewer is not None:
            self._session.canvas.take_out(layer)

    def draw(self) -> None:
        """Show the tracks as they are now."""
        stop_timer(self._later)
        source = self._shown.source()
        if source is None or not self.is_wanted:
            self._take_out()
            return
        n_axes = source.ndim
        data, graph, roots = tracks_data(Lineage(self._shown.result, self._way), self._shown.planes, n_axes)
        if not len(data):
            self._take_out()
            return
        if self.layer is None:
            self.layer = self._new(data, graph, roots)
            self._session.show_above(self._shown, self.layer)
            return
        self.layer.color_by = "track_id"  # new data have no other features at first
        self.layer.graph = {}  # napari checks the old one against the new data
        self.layer.data = data
        self.layer.features = _features(roots)
        self.layer.graph = graph
        self.layer.color_by = _HUE

    def _new(self, data: np.ndarray, graph: dict[int, list[int]], roots: np.ndarray) -> Tracks:
        from napari.layers import Tracks

        source = self._shown.source()
        first = self._shown.planes.axes[self._way.axis]
        place = _last_axes(place_of(source), source.ndim - first)
        return Tracks(
            data,
            graph=graph,
            features=_features(roots),
            color_by=_HUE,
            colormap="hsv",
            name=f"{source.name} tracks",
            tail_length=_TAIL,
            tail_width=3,
            **place,
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
