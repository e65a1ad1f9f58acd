"""Corrections of tracks: pure functions that return what changes, for `History.do`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.history import Change
from napari_centermask.core.result import Index, Result
from napari_centermask.core.tracks.way import TIME, Way

Key = tuple[Index, int]
"""Plane and id of a cell."""


def link(result: Result, a: Key, b: Key, way: Way = TIME) -> list[Change]:
    """Say that two cells of different frames are one: from the later one on, the track of the earlier one goes on.

    What followed the earlier one before, and what came before the later one, become tracks of their own; so do daughters that
    begin before the track now ends.

    Raises
    ------
    BadSettings
        If both are of one frame.
    KeyError
        If there is no such cell.
    """
    _check_order(a, b, way, "be linked")
    a, b = sorted((a, b), key=lambda key: way.at(key[0]))
    book = _Book(result, way)
    if book.track(a) and book.track(a) == book.track(b):
        return []
    earlier = book.track(a) or book.start([a])
    book.end_after(a, parent=0)
    daughters = book.children(earlier)
    book.join(book.part(b, parent=0), earlier)
    book.let_go(daughters, earlier)
    return book.changes()


def cut(result: Result, key: Key, way: Way = TIME) -> list[Change]:
    """Begin a new track with a cell; a daughter is cut from its mother.

    If that leaves the mother a single daughter, she goes on as this one.
    """
    book = _Book(result, way)
    if not book.track(key):
        return []
    mother = book.parent(key)
    part = book.part(key, parent=0)
    if mother and part not in book.children(mother):
        book.rejoin(mother)
    return book.changes()


def divide(result: Result, mother: Key, daughter: Key, way: Way = TIME) -> list[Change]:
    """Say that a cell divides, and that a later cell comes from it; what followed the mother is another daughter.

    Raises
    ------
    BadSettings
        If the way is depth, or the daughter is not in a later frame.
    KeyError
        If there is no such cell.
    """
    if way.is_depth:
        raise BadSettings("Cells divide in time, and this axis is depth. Choose what the axis is under 'Axis'.")
    _check_order(mother, daughter, way, "be mother and daughter")
    mother, daughter = sorted((mother, daughter), key=lambda key: way.at(key[0]))
    book = _Book(result, way)
    known = book.track(mother) or book.start([mother])
    book.end_after(mother, parent=known)
    book.part(daughter, parent=known)
    return book.changes()


def forget(result: Result, keys: Iterable[Key] | None = None) -> list[Change]:
    """Take cells off their tracks; by default all."""
    book = _Book(result, TIME)
    for key in list(book.of) if keys is None else keys:
        book.of[key] = (0, 0)
    gone = book.gone()
    for key, (track, parent) in book.of.items():
        if parent in gone:
            book.of[key] = (track, 0)
    return book.changes()


def assigned(result: Result, tracks: Mapping[Key, tuple[int, int]]) -> list[Change]:
    """Give cells the tracks and parents of a tracking; those of all other cells end."""
    book = _Book(result, TIME)
    book.of = {key: tracks.get(key, (0, 0)) for key in book.of}
    return book.changes()


def _check_order(a: Key, b: Key, way: Way, what: str) -> None:
    if way.at(a[0]) == way.at(b[0]):
        unit = "slice" if way.is_depth else "frame"
        raise BadSettings(f"Two cells of one {unit} cannot {what}. Go to another {unit} and click a cell there.")


class _Book:
    """Track and parent of every cell, which corrections write over."""

    def __init__(self, result: Result, way: Way) -> None:
        self.result, self.way = result, way
        way.check(result.leading)
        self.of = {(index, cell.id): (cell.track, cell.parent) for index, cell in result.placed()}
        self._last = max((max(pair) for pair in self.of.values()), default=0)

    def track(self, key: Key) -> int:
        return self.of[key][0]

    def parent(self, key: Key) -> int:
        """The mother of the track of a cell."""
        return next((self.of[k][1] for k in self.members(self.track(key)) if self.of[k][1]), 0)

    def members(self, track: int) -> list[Key]:
        return [key for key, (known, _) in self.of.items() if known == track] if track else []

    def children(self, track: int) -> set[int]:
        return {known for known, parent in self.of.values() if parent == track and known and known != track}

    def gone(self) -> set[int]:
        """Parents of which no cell is left."""
        there = {track for track, _ in self.of.values()}
        return {parent for _, parent in self.of.values() if parent and parent not in there}

    def start(self, keys: Iterable[Key], parent: int = 0) -> int:
        """A new track."""
        self._last += 1
        for key in keys:
            self.of[key] = (self._last, parent)
        return self._last

    def part(self, key: Key, *, parent: int) -> int:
        """Make what follows from a cell on a track of its own with this parent, which it may be already."""
        track = self.track(key)
        if not track:
            return self.start([key], parent)
        members, at = self.members(track), self.way.at(key[0])
        part = [k for k in members if self.way.at(k[0]) >= at and self.way.meets(k[0], key[0])]
        return self._moved(track, members, part, parent)

    def end_after(self, key: Key, *, parent: int) -> None:
        """Make what follows after a cell a track of its own with this parent."""
        track, at = self.track(key), self.way.at(key[0])
        members = self.members(track)
        part = [k for k in members if self.way.at(k[0]) > at and self.way.meets(k[0], key[0])]
        if part:
            self._moved(track, members, part, parent)

    def _moved(self, track: int, members: list[Key], part: list[Key], parent: int) -> int:
        """Give a part of a track a number of its own; the daughters go with the later part."""
        if len(part) == len(members):
            for k in part:
                self.of[k] = (track, parent)
            return track
        children = self.children(track)
        new = self.start(part, parent)
        self._give(children, new)
        return new

    def _give(self, children: Iterable[int], parent: int) -> None:
        for child in children:
            for k in self.members(child):
                self.of[k] = (child, parent)

    def join(self, later: int, earlier: int) -> None:
        """Let a track go on as another one that began before it."""
        children = self.children(later)
        parent = next((self.of[k][1] for k in self.members(earlier)), 0)
        for k in self.members(later):
            self.of[k] = (earlier, parent)
        self._give(children, earlier)

    def let_go(self, daughters: Iterable[int], mother: int) -> None:
        """Take those daughters from a mother that begin before she ends: she goes on, and does not divide into them."""
        last = max(self.way.at(k[0]) for k in self.members(mother))
        self._give([d for d in daughters if any(self.way.at(k[0]) <= last for k in self.members(d))], 0)

    def rejoin(self, mother: int) -> None:
        """Let the only daughter that is left go on as her mother."""
        children = sorted(self.children(mother))
        if len(children) == 1 and self.members(mother):
            self.join(children[0], mother)

    def changes(self) -> list[Change]:
        changes = []
        for (index, id), (track, parent) in self.of.items():
            cell = self.result.get(index, id)
            if cell is not None and (cell.track, cell.parent) != (track, parent):
                changes.append(Change(index, id, cell, replace(cell, track=track, parent=parent)))
        return changes
