"""A process that edits a project until it is killed; see test_kill.py.

Started once, it forks a child for every line "FOLDER SEED" on its standard input, so that 200 deaths cost seconds. The child
opens the project, takes random steps and prints the number of each when it is done: it must survive.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from napari_centermask.core.history import History, RegionChange
from napari_centermask.core.result import Result
from napari_centermask.core.tools import delete, grow, merge, new_cell, raise_cells, set_status, split_auto, to_changes
from napari_centermask.io.edits import MANY
from napari_centermask.io.project import Project


class Player:
    """Makes the same random edits from the same seed and state, in a project or beside it."""

    def __init__(self, histories: dict[int, History], seed: int) -> None:
        self.histories, self.rng = histories, np.random.default_rng(seed)
        self.steps = 0

    def step(self) -> str:
        """Do one thing; returns "save" where a project should be saved."""
        rng = self.rng
        self.steps += 1
        history = self.histories[int(rng.choice(list(self.histories)))]
        kind = rng.random()
        if kind < 0.03:
            return "save"
        if kind < 0.16:
            history.undo()
        elif kind < 0.22:
            history.redo()
        else:
            self._edit(history, kind)
        return ""

    def _edit(self, history: History, kind: float) -> None:
        result, rng = history.result, self.rng
        plane = tuple(int(rng.integers(n)) for n in result.leading)
        if kind < 0.25:
            box = (0, 0, *(int(rng.integers(1, n)) for n in result.shape))
            history.do("region", regions=[RegionChange(plane, result.reviewed(plane), (box,))])
        elif kind < 0.26:
            cells = [p for _ in range(2 * MANY + 20) for p in new_cell(result.plane(plane), *self._blob(result, 3))]
            history.do("run", to_changes(cells, plane, result))
        else:
            history.do("edit", to_changes(self._pairs(result, plane), plane, result))

    def _pairs(self, result: Result, plane) -> list:
        cells, rng = result.plane(plane), self.rng
        if len(cells) > 60:
            return delete(cells, [i.id for i in cells][20:])
        if len(cells) < 3 or rng.random() < 0.4:
            return new_cell(cells, *self._blob(result, 12), score=float(rng.random()))
        ids = [int(i) for i in rng.choice(cells.ids, 2, replace=False)]
        tools = (
            delete,
            grow,
            merge,
            raise_cells,
            lambda c, i: split_auto(c, i[0]),
            lambda c, i: set_status(c, i, "rejected"),
        )
        return tools[rng.integers(len(tools))](cells, ids)

    def _blob(self, result: Result, side: int):
        mask = self.rng.random((side, side)) < 0.7
        mask[side // 2, side // 2] = True
        return mask, tuple(int(self.rng.integers(0, n - side)) for n in result.shape)


def edit_until_killed(folder: Path, seed: int) -> None:
    """Never returns."""
    project = Project.open(folder)
    if project.read_only:
        _say(f"cannot write: {project.read_only}")
        os._exit(1)
    player = Player({i.id: project.history(i.id) for i in project.images}, seed)
    while True:
        if player.step() == "save":
            project.save()
        _say(f"{player.steps}")


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


def _warm_up() -> None:
    """Import what edits and projects need before the forks."""
    import pycocotools.mask  # noqa: F401

    result = Result((64, 64))
    player = Player({1: History(result)}, 0)
    for _ in range(200):
        player.step()


def main() -> None:
    """Fork a child for each line; say when it is dead."""
    _warm_up()
    for line in sys.stdin:
        folder, seed = line.rsplit(maxsplit=1)
        child = os.fork()
        if child == 0:
            try:
                edit_until_killed(Path(folder), int(seed))
            finally:
                os._exit(2)
        _say(f"pid {child}")
        _, status = os.waitpid(child, 0)
        _say(f"dead {os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1}")


if __name__ == "__main__":
    main()
