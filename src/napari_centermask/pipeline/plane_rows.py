"""Find the cells of a plane row by row of tiles, with the memory of a row: the same cells as `plane_cells.find_cells`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

from napari_centermask.core.instances import Instance
from napari_centermask.core.settling import (
    Settled,
    Waiting,
    line_above,
    settle_covered,
    settle_order,
    settle_overlaps,
    settle_pieces,
)
from napari_centermask.core.tiles import Piece, Tile
from napari_centermask.engines import AnyEngine
from napari_centermask.models.families import family_of
from napari_centermask.pipeline.model_input import ModelInput, ScaledInput
from napari_centermask.pipeline.passes import Pass
from napari_centermask.pipeline.plane_cells import pieces_of, tiles_of
from napari_centermask.pipeline.progress import Progress
from napari_centermask.settings import SegmentSettings

Place = tuple[int, str]
"""Where a cell waits: the number of the pass, and the step; -1 for what all passes share."""
Step = Callable[[Sequence[Waiting], int], Settled]


@dataclass
class RowState:
    """How far a plane is: enough to continue after a stop.

    Attributes
    ----------
    row
        Number of the next row of tiles.
    last_id
        Id of the last cell that was passed on.
    waiting
        What is not decided yet.
    pieces
        For each pass, how many pieces it has found.
    lines
        For each pass, the line above which all its cells are passed on; see `core.settling`.
    """

    row: int = 0
    last_id: int = 0
    waiting: dict[Place, list[Waiting]] = field(default_factory=dict)
    pieces: dict[int, int] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RowCells:
    """The cells that are final after a row of tiles.

    Attributes
    ----------
    row, rows
        Number of the row, and of all.
    cells
        With ids that go on from those of the row before; from top to bottom.
    line
        Cells of later rows have no pixel above this y.
    """

    row: int
    rows: int
    cells: list[Instance]
    line: int


@dataclass(frozen=True)
class _Row:
    """A row of tiles of one pass; later tiles of that pass see nothing above `line` (image pixels)."""

    number: int
    scaled: ScaledInput
    tiles: list[Tile]
    line: int


class PlaneRows:
    """The rows of tiles of a plane.

    Parameters
    ----------
    plane
        Read window by window.
    passes
        As in `find_cells`.
    min_score
        The lowest score of cells that count.
    state
        Where to go on; changed with each row.

    Raises
    ------
    BadSettings
        If a diameter or the overlap does not fit the model or the tile.
    """

    def __init__(
        self,
        plane: ModelInput,
        engine: AnyEngine,
        settings: SegmentSettings,
        passes: Sequence[Pass],
        *,
        min_score: float,
        state: RowState,
    ) -> None:
        self._engine, self._settings, self._passes, self._min_score = engine, settings, passes, min_score
        self.state = state
        self._rows = [] if plane.is_blank else _rows(plane, engine, settings, passes)
        self._is_apart = not family_of(engine.card).overlaps

    @property
    def n_tiles(self) -> int:
        """Of all rows."""
        return sum(len(row.tiles) for row in self._rows)

    def cells(self) -> Generator[Progress | RowCells, None, None]:
        """The cells of each row that is not done yet, and progress between tiles; `state` is that after the row."""
        done = sum(len(row.tiles) for row in self._rows[: self.state.row])
        for number in range(self.state.row, len(self._rows)):
            row = self._rows[number]
            steps = pieces_of(row.scaled, row.tiles, self._engine, self._settings, self._min_score)
            pieces = yield from _of_all(steps, done, self.n_tiles)
            done += len(row.tiles)
            found = [p for p in pieces if self._passes[row.number].counts(p.instance.category)]
            first = self.state.pieces.get(row.number, 0)
            new = [Waiting((row.number, first + n), p.instance, p.seen, p.cut) for n, p in enumerate(found)]
            self.state.pieces[row.number] = first + len(found)
            self.state.row = number + 1
            yield self._settled(row, new)

    def _settled(self, row: _Row, new: list[Waiting]) -> RowCells:
        """Decide about what a row has settled."""
        one = row.number
        cells, line = self._step((one, "pieces"), new, row.line, settle_pieces)
        cells, line = self._step((one, "cells"), self._large(cells), line, self._covered)
        if self._is_apart:
            cells, line = self._step((one, "apart"), cells, line, settle_overlaps)
            cells = self._large(cells)
        self.state.lines[one] = line
        line = min(self.state.lines.get(k, 0) for k in range(len(self._passes)))
        if len(self._passes) > 1:
            cells, line = self._step((-1, "passes"), cells, line, self._covered)
        ordered, _ = self._step((-1, "order"), cells, line, settle_order)
        numbered = [replace(w.cell, id=n) for n, w in enumerate(ordered, start=self.state.last_id + 1)]
        self.state.last_id += len(numbered)
        return RowCells(self.state.row - 1, len(self._rows), numbered, line)

    def _step(self, place: Place, new: list[Waiting], line: int, step: Step) -> tuple[list[Waiting], int]:
        """What a step passes on, and the line of those who get it."""
        passed, kept = step([*self.state.waiting.get(place, []), *new], line)
        self.state.waiting[place] = kept
        return passed, line_above(kept, line)

    def _covered(self, waiting: Sequence[Waiting], line: int) -> Settled:
        return settle_covered(waiting, line, most=self._settings.mask_nms)

    def _large(self, cells: list[Waiting]) -> list[Waiting]:
        return [w for w in cells if w.cell.area >= self._settings.min_area]


def _of_all(
    steps: Generator[Progress, None, list[Piece]], before: int, total: int
) -> Generator[Progress, None, list[Piece]]:
    """The progress of a row as that of the plane."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            pieces: list[Piece] = end.value
            return pieces
        done = before + step.done
        yield Progress(done, total, f"Tile {int(done) + 1} of {total}")


def _rows(plane: ModelInput, engine: AnyEngine, settings: SegmentSettings, passes: Sequence[Pass]) -> list[_Row]:
    """The rows of all passes from top to bottom."""
    rows: list[tuple[int, _Row]] = []
    for number, one in enumerate(passes):
        scaled = plane.scaled(engine.card.diameter / one.diameter)
        of_top: dict[int, list[Tile]] = {}
        for tile in tiles_of(scaled, settings):
            of_top.setdefault(scaled.window(tile.box)[0], []).append(tile)
        tops = sorted(of_top)
        for top, below in zip(tops, [*tops[1:], plane.shape[0]], strict=True):
            rows.append((top, _Row(number, scaled, of_top[top], below)))
    return [row for _, row in sorted(rows, key=lambda r: (r[0], r[1].number))]
