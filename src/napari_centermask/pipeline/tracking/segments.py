"""Chains of cells joined over missing frames and at divisions, all in one assignment."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_centermask.pipeline.progress import Progress
from napari_centermask.pipeline.tracking.assignment import best_pairs
from napari_centermask.pipeline.tracking.links import cost, drift_of
from napari_centermask.pipeline.tracking.things import Frame, Thing, overlap, within
from napari_centermask.settings import TrackSettings

Place = tuple[int, int]
"""Frame, and number of the cell in it."""
# Chosen on composed sequences, as those in `links`.
_LIMIT = 0.9
"""Of the cost of a gap or a division."""
_HALF = 0.45
"""Smallest area of a daughter as a part of her sister's."""
_LOST = 0.85
"""A mother keeps less than this of her area in the daughter that she is linked to."""


@dataclass(slots=True)
class Piece:
    """A track: its cells in the order of the frames, and the number of the piece that divided into it."""

    things: list[Place] = field(default_factory=list)
    parent: int | None = None


def joined(
    frames: Sequence[Frame], chains: Sequence[dict[int, int]], farthest: float, settings: TrackSettings
) -> Generator[Progress, None, list[Piece]]:
    """The tracks that chains from frame to frame make, with gaps closed and divisions found.

    Parameters
    ----------
    chains
        For each frame but the last, the number in the next frame by that in this one.
    farthest
        Largest motion from one frame to the next, in pixels.
    """
    work = _Joining(frames, chains, farthest, settings)
    for at in range(len(frames)):
        work.look_at(at)
        yield Progress(2 * len(frames) + at, 3 * len(frames), "Gaps and divisions")
    return work.pieces()


class _Joining:
    def __init__(
        self, frames: Sequence[Frame], chains: Sequence[dict[int, int]], farthest: float, settings: TrackSettings
    ) -> None:
        self.frames, self.farthest, self.settings = frames, farthest, settings
        self.following = {(at, i): (at + 1, j) for at, chain in enumerate(chains) for i, j in chain.items()}
        reached = set(self.following.values())
        self.starts = [
            [k for k in range(len(frame)) if at and (at, k) not in reached] for at, frame in enumerate(frames)
        ]
        self.ends = [[k for k in range(len(frame)) if (at, k) not in self.following] for at, frame in enumerate(frames)]
        moves = [drift_of(frames[at], frames[at + 1], list(chain.items())) for at, chain in enumerate(chains)]
        self.drift = np.concatenate([np.zeros((1, 2)), np.cumsum(np.reshape(moves, (-1, 2)), axis=0)])
        self.options: dict[tuple[str, Place, Place], float] = {}
        """What may be joined, with its cost: ("gap" or "division", earlier cell, later cell)."""

    def look_at(self, at: int) -> None:
        """Find the costs of all that may join a chain that begins in a frame."""
        starts = self.starts[at]
        if not starts:
            return
        for gap in range(1, self.settings.longest_gap + 1):
            if at - gap - 1 >= 0:
                self._gaps(at, starts, at - gap - 1)
        if self.settings.divisions:
            self._divisions(at, starts)

    def _moved(self, before: int, at: int) -> tuple[float, float]:
        y, x = (self.drift[at] - self.drift[before]).tolist()
        return y, x

    def _gaps(self, at: int, starts: list[int], before: int) -> None:
        ends = self.ends[before]
        reach, moved = self.farthest * float(np.sqrt(at - before)), self._moved(before, at)
        for i, j in _near(self.frames[before], ends, self.frames[at], starts, reach, moved):
            value = cost(self.frames[before][i], self.frames[at][j], reach, moved)
            if value < _LIMIT:
                self.options["gap", (before, i), (at, j)] = value

    def _divisions(self, at: int, starts: list[int]) -> None:
        before, moved = self.frames[at - 1], self._moved(at - 1, at)
        mothers = [i for i in range(len(before)) if (at - 1, i) in self.following]
        for i, j in _near(before, mothers, self.frames[at], starts, 1.5 * self.farthest, moved):
            sister = self.frames[at][self.following[at - 1, i][1]]
            value = _division_cost(before[i], self.frames[at][j], sister, moved)
            if value is not None and value < _LIMIT:
                self.options["division", (at - 1, i), (at, j)] = value

    def pieces(self) -> list[Piece]:
        """The tracks, numbered by their first frame."""
        keys = list(self.options)
        rows = {row: n for n, row in enumerate(dict.fromkeys((kind, a) for kind, a, _ in keys))}
        columns = {b: n for n, b in enumerate(dict.fromkeys(b for *_, b in keys))}
        i = np.array([rows[kind, a] for kind, a, _ in keys], int)
        j = np.array([columns[b] for *_, b in keys], int)
        best = best_pairs(i, j, np.array(list(self.options.values())), limit=_LIMIT)
        mother_of: dict[Place, Place] = {}
        for kind, a, b in (keys[k] for k in best):
            if kind == "gap":
                self.following[a] = b
            else:
                mother_of[self.following.pop(a)] = mother_of[b] = a
        return self._read(mother_of)

    def _read(self, mother_of: dict[Place, Place]) -> list[Piece]:
        reached = set(self.following.values())
        pieces: list[Piece] = []
        number: dict[Place, int] = {}
        for at, frame in enumerate(self.frames):
            for k in range(len(frame)):
                place: Place | None = (at, k)
                if place in reached:
                    continue
                mother = mother_of.get((at, k))
                piece = Piece(parent=None if mother is None else number[mother])
                while place is not None:
                    piece.things.append(place)
                    number[place] = len(pieces)
                    place = self.following.get(place)
                pieces.append(piece)
        return pieces


def _near(
    before: Frame, rows: list[int], after: Frame, columns: list[int], reach: float, moved: tuple[float, float]
) -> list[tuple[int, int]]:
    if not rows or not columns:
        return []
    found = within(np.array([before[i].centre for i in rows]) + moved, [after[j] for j in columns], reach)
    return [(i, columns[k]) for i, ks in zip(rows, found, strict=True) for k in ks]


def _division_cost(mother: Thing, daughter: Thing, sister: Thing, moved: tuple[float, float]) -> float | None:
    """How unlike a division this is; None if it cannot be one.

    Daughters are alike, hold about what their mother held, and lie on both sides of where she was.
    """
    alike = min(daughter.area, sister.area) / max(daughter.area, sister.area)
    if alike < _HALF or sister.area > _LOST * mother.area:
        return None
    total = daughter.area + sister.area
    kept = min(total, mother.area) / max(total, mother.area)
    middle = (np.multiply(daughter.centre, daughter.area) + np.multiply(sister.centre, sister.area)) / total
    aside = float(np.hypot(*(middle - mother.centre - moved))) / mother.diameter
    inside = min(1.0, (overlap(mother, daughter, moved) + overlap(mother, sister, moved)) / total)
    return (1 - alike) / 2 + (1 - kept) / 2 + aside + (1 - inside) / 2
