"""The tracks of a result, to look at: where each goes, and what it divides into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Index, Result
from napari_centermask.core.tracks.way import TIME, Way


@dataclass(frozen=True, slots=True)
class Spot:
    """A cell in its place."""

    index: Index
    cell: Instance


@dataclass(slots=True)
class Track:
    """A cell from its first plane to its last.

    Attributes
    ----------
    id
        As in `Instance.track`.
    parent
        The track that it came from by division; 0 if there is none, or none of its cells is shown.
    spots
        Its cells in the order of the way, several of one frame where the image has slices.
    children
        The tracks that it divides into, in their order.
    """

    id: int
    parent: int = 0
    spots: list[Spot] = field(default_factory=list)
    children: list[int] = field(default_factory=list)


class Lineage:
    """The shown cells that are on a track, by track.

    Parameters
    ----------
    way
        The axis that orders the cells of a track.

    Attributes
    ----------
    tracks
        By id, in the order of the ids.
    """

    def __init__(self, result: Result, way: Way = TIME) -> None:
        self.way = way
        found: dict[int, Track] = {}
        for index, plane in result.planes.items():
            for cell in plane:
                if cell.track and result.shows(cell):
                    found.setdefault(cell.track, Track(cell.track)).spots.append(Spot(index, cell))
        self.tracks = {id: found[id] for id in sorted(found)}
        for track in self.tracks.values():
            track.spots.sort(key=lambda spot: (way.at(spot.index), spot.index))
            parent = self._parent(track)
            if parent is not None:
                track.parent = parent.id
                parent.children.append(track.id)

    def _parent(self, track: Track) -> Track | None:
        """Where it came from, by the first of its cells that says so; none that begins later."""
        named = next((spot.cell.parent for spot in track.spots if spot.cell.parent), 0)
        parent = self.tracks.get(named)
        if parent is None or parent is track or self.first(parent) >= self.first(track):
            return None
        return parent

    def __len__(self) -> int:
        return len(self.tracks)

    def __iter__(self) -> Iterator[Track]:
        return iter(self.tracks.values())

    def first(self, track: Track) -> int:
        """Its first frame."""
        return self.way.at(track.spots[0].index)

    def last(self, track: Track) -> int:
        """Its last frame."""
        return self.way.at(track.spots[-1].index)

    def divisions(self) -> list[Track]:
        """The tracks that divide: into two or more."""
        return [track for track in self if len(track.children) > 1]

    def root(self, track: Track) -> int:
        """The track at the beginning of its lineage."""
        while track.parent:
            track = self.tracks[track.parent]
        return track.id
